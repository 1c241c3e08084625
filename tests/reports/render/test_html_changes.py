"""What changed, in report.html: since the last run and since the baseline, the trend as a plot, the flakes, the network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.judge.verdict import judge_attempt, judge_case
from harness.model.changes import Against, Changes, TrendPoint, Verdict
from harness.model.networks import Figure, NetworkColumn, SideBySide
from harness.model.verdict import Summary
from reports.render.html import render_html
from reports.view.trend import trend_view
from tests.judge.canned import case, manifest, measurement, metric, summary, verdict
from tests.reports.render.test_html import NASTY, Read, read
from tests.reports.view.test_changes import point, row

BAD_WIFI = {
    "netem_actually_applied": metric(1, "bool", reason="the relay's log agrees (…)"),
    "network_allowance_ms": metric(180),
    "network_impaired": metric(1, "bool", reason="50 ms delay, 40 ms jitter, 2 % loss each way"),
    "recovery_ms": metric(213.0),
}


def everything() -> Changes:
    """As much as a history can say of a run."""
    columns = [
        NetworkColumn(
            run_id=f"2026010{n}_020000-{link}",
            link=link,
            started_at=point("a").started_at,
            turns=20,
            figures=[
                Figure(metric="user_kpi_raw_ms", n=20, median=450.0 + 90 * n, p95=520.0 + 90 * n, max=600.0 + 90 * n)
            ],
        )
        for n, link in enumerate(("wifi_good", "bad_wifi"))
    ]
    return Changes(
        kpi="user_kpi_raw_ms",
        previous=Against(
            what=f"run 20260101 {NASTY}",
            run_ids=["20260101"],
            comparisons=[
                row(Verdict.WORSE, 60.0, p=0.001),
                row(Verdict.NO_DIFFERENCE, metric="max_gap_ms", title="hole"),
            ],
            newly_failing=["PASS → FAIL: user_kpi"],
            noted=["commit is b, was a"],
        ),
        baseline=Against(what="baseline main v3", run_ids=[], refused=["chromium is 157, was 156"]),
        trend=[point(f"run-{n}", 500.0 + 10 * n if n != 2 else None) for n in range(5)],
        limit_ms=600.0,
        networks=SideBySide(lane="browser", columns=columns, cases=["c"], left_out=["case d is run, was not run"]),
    )


def run_with(changes: Changes | None) -> Summary:
    told = verdict(case(), measurement(call=BAD_WIFI))
    return summary([(case(), told)], link="bad_wifi").model_copy(update={"changes": changes})


def page_of(changes: Changes | None, folder: Path) -> Read:
    return read(render_html(run_with(changes), folder))


def test_what_changed_is_said_for_the_last_run_and_for_the_baseline(tmp_path: Path) -> None:
    words = page_of(everything(), tmp_path).words
    assert f"Since run 20260101 {NASTY}" in words
    assert "worse: user_kpi_raw_ms median +60.0 ms" in words
    assert "PASS → FAIL: user_kpi" in words
    assert "Since baseline main v3 cannot be compared: chromium is 157, was 156" in words
    assert "20 turns could have seen +38.0 ms" in words
    assert "A promoted baseline allows a USER_KPI P95 of 600 ms" in words


def test_the_trend_is_a_plot_with_a_dot_a_run_inside_its_box(tmp_path: Path) -> None:
    page = page_of(everything(), tmp_path)
    (box,) = [div for div in page.all("div") if div.get("class") == "plot"]
    dots = [i for i in box.iter("i") if "dot" in (i.get("class") or "")]
    assert len(dots) == 10
    assert sum("hollow" in (dot.get("class") or "") for dot in dots) == 1
    for dot in dots:
        left, top = map(float, re.findall(r"[\d.]+(?=%)", dot.get("style") or ""))
        assert 0 < left < 100
        assert 0 < top < 100
    assert len(list(box.iter("hr"))) == 1
    assert "P50 450 ms" in (box.get("aria-label") or "")


def test_a_later_run_stands_further_right_and_a_slower_one_higher() -> None:
    trend = [point("a", 500.0), point("b", 700.0)]
    view = trend_view(Changes(kpi="user_kpi_raw_ms", trend=trend))
    assert view is not None
    first, last = view.tails
    assert float(first.left) < float(last.left)
    assert float(first.top) > float(last.top)


@pytest.mark.parametrize("trend", [[], [point("a")]])
def test_one_run_is_no_trend(trend: list[TrendPoint]) -> None:
    assert trend_view(Changes(kpi="user_kpi_raw_ms", trend=trend)) is None
    assert trend_view(None) is None


def test_without_a_history_nothing_is_said_to_have_changed(tmp_path: Path) -> None:
    page = page_of(None, tmp_path)
    assert "What changed" not in page.words
    assert not [div for div in page.all("div") if div.get("class") == "plot"]


def test_the_network_and_what_proves_it_stand_on_the_page(tmp_path: Path) -> None:
    words = page_of(None, tmp_path).words
    assert "Profile bad_wifi : 50 ms delay, 40 ms jitter, 2 % loss each way" in words
    assert "the relay's log agrees (…)" in words
    assert "recovery after an outage" in words
    assert "213 ms" in words


def test_networks_stand_side_by_side_with_what_was_left_out(tmp_path: Path) -> None:
    words = page_of(everything(), tmp_path).words
    assert "wifi_good 20260100_020000-wifi_good" in words
    assert "450 ms, P95 520 ms, n 20 540 ms, P95 610 ms, n 20" in words
    assert "Left out: case d is run, was not run" in words


def test_flaky_cases_are_named_beside_the_first_attempt_rate(tmp_path: Path) -> None:
    attempts = [
        judge_attempt(case(), manifest(attempt=n), measurement(attempt=n, max_gap_ms=metric(gap)), "captures/x")
        for n, gap in ((1, 400.0), (2, 0.0))
    ]
    flaky = summary([(case(), judge_case(case(), attempts))])
    words = read(render_html(flaky, tmp_path)).words
    assert "First-attempt pass rate: 0 % ; flaky (failed once, passed once): c" in words
    assert "no case is flaky" in page_of(None, tmp_path).words


def test_a_suggested_fix_has_its_evidence_and_what_was_not_measured_its_reason(tmp_path: Path) -> None:
    slow = verdict(case(), measurement(user_kpi_raw_ms=metric(900.0), eot_to_first_audio_ms=metric(900.0)))
    unheard = verdict(case("quiet"), None)
    told = summary([(case(), slow), (case("quiet"), unheard)])
    words = read(render_html(told, tmp_path)).words
    assert "Suggested fix: The reply starts late" in words
    assert "Evidence: c: " in words
    assert "What was not measured, and why" in words
