"""What changed, in the report: shown only where there is something to compare with, with verdict, interval and power."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from harness.model.changes import Against, Changes, Comparison, Interval, Side, TrendPoint, Verdict
from harness.model.verdict import Summary
from reports.render.run_report import finish_report, render_report
from reports.render.trend_plot import draw_trend
from reports.view.changes import changes_view
from tests.judge.canned import case, measurement, summary, verdict


def row(verdict: Verdict, effect: float | None = 12.0, **fields: object) -> Comparison:
    known = {
        "metric": "user_kpi_raw_ms",
        "title": "USER_KPI",
        "unit": "ms",
        "statistic": "median",
        "primary": True,
        "verdict": verdict,
        "now": Side(n_turns=20, n_runs=1, value=462.0),
        "then": Side(n_turns=200, n_runs=10, value=450.0),
        "effect": effect,
        "interval": Interval(low=-8.0, high=31.0, resampled="turns") if effect is not None else None,
        "p": 0.2,
        "false_alarm_rate": 0.01,
        "detectable": 38.0,
    }
    return Comparison.model_validate({**known, **fields})


def point(run_id: str, p95_ms: float | None = 500.0) -> TrendPoint:
    return TrendPoint(
        run_id=run_id,
        started_at="2026-01-02T03:04:05+00:00",
        n_turns=20 if p95_ms is not None else 4,
        median_ms=450.0,
        p95_ms=p95_ms,
        max_ms=520.0,
        status="PASS",
        first_attempt_pass_rate=1.0,
        commit="abc",
    )


def run_with(changes: Changes | None) -> Summary:
    return summary([(case(), verdict(case(), measurement()))]).model_copy(update={"changes": changes})


def text_of(changes: Changes | None, folder: Path) -> str:
    return render_report(run_with(changes), folder).read_text()


def test_a_run_without_history_has_no_such_section(tmp_path: Path) -> None:
    assert "What changed" not in text_of(None, tmp_path)


def test_no_difference_says_what_could_have_been_seen(tmp_path: Path) -> None:
    against = Against(what="run n04", run_ids=["n04"], comparisons=[row(Verdict.NO_DIFFERENCE)])
    text = text_of(Changes(kpi="user_kpi_raw_ms", previous=against), tmp_path)
    assert "### Since run n04" in text
    assert "450 ms (n 200, 10 runs) | 462 ms (n 20)" in text
    assert "+12.0 ms (-8.0 ms to +31.0 ms)" in text
    assert "no difference shown; 20 turns could have seen +38.0 ms" in text


def test_what_is_worse_stands_in_the_headline(tmp_path: Path) -> None:
    against = Against(
        what="baseline main v1", run_ids=["a"], comparisons=[row(Verdict.WORSE, 62.0, p=0.0001)],
        newly_failing=["PASS → FAIL: max_gap"],
    )  # fmt: skip
    text = text_of(Changes(kpi="user_kpi_raw_ms", baseline=against), tmp_path)
    assert "worse: user_kpi_raw_ms median +62.0 ms" in text.replace("\\", "")
    assert "❌ worse; p < 0.001" in text
    assert r"gates PASS → FAIL: max\_gap" in text or "gates PASS → FAIL: max_gap" in text


def test_a_refusal_is_shown_with_every_difference_and_no_numbers(tmp_path: Path) -> None:
    against = Against(what="baseline main v1", run_ids=["a"], refused=["lane is bot, was browser", "mic is bot, was x"])
    text = text_of(Changes(kpi="eot_to_first_audio_ms", baseline=against), tmp_path)
    assert "cannot be compared: lane is bot, was browser; mic is bot, was x" in text
    assert "| metric | then |" not in text


def test_text_from_elsewhere_cannot_break_the_report(tmp_path: Path) -> None:
    against = Against(what="baseline a|b", run_ids=["a"], noted=["commit is <script>, was `x`"])
    text = text_of(Changes(kpi="user_kpi_raw_ms", baseline=against), tmp_path)
    assert r"baseline a\|b" in text
    assert r"\<script>" in text


def test_the_trend_is_drawn_and_tabled(tmp_path: Path) -> None:
    changes = Changes(kpi="user_kpi_raw_ms", trend=[point("n0"), point("n1", None)], limit_ms=600.0)
    finish_report(run_with(changes), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "![trend](pictures/trend.png)" in text
    assert "| n0 | 2026-01-02T03:04:05+00:00 | 20 | 450 ms | 500 ms | 100 % | PASS |" in text
    assert "max 520 ms" in text
    assert "A promoted baseline allows a USER_KPI P95 of 600 ms" in text
    picture = matplotlib.image.imread(tmp_path / "pictures" / "trend.png")
    assert picture[..., :3].std() > 0.01  # something is on it


def test_one_run_is_no_trend(tmp_path: Path) -> None:
    assert not draw_trend([point("n0")], "USER_KPI", None, tmp_path / "trend.png")
    assert not (tmp_path / "trend.png").exists()


@pytest.mark.parametrize("effect", [None, 12.0])
def test_what_could_not_be_compared_is_listed_by_its_reason(effect: float | None) -> None:
    rows = [row(Verdict.INCOMPARABLE, None, reason="no turn then has it"), row(Verdict.NO_DIFFERENCE, effect)]
    view = changes_view(Changes(kpi="user_kpi_raw_ms", previous=Against(what="run a", run_ids=["a"], comparisons=rows)))
    assert view is not None
    assert view.against[0].not_compared == (("user_kpi_raw_ms median", "no turn then has it"),)
    assert len(view.against[0].rows) == 1
