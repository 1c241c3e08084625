"""What is not to be believed is said once: a turn that was spoilt is one line, not one reason for each of its figures."""

from __future__ import annotations

from pathlib import Path

from harness.judge.verdict import judge_attempt, judge_case
from harness.model.verdict import Summary
from reports.render.html import render_html
from reports.render.run_report import render_report
from tests.judge.canned import case, manifest, measurement, metric, summary
from tests.reports.render.test_html import read

LATE = "the link itself was 9.0 ms late (P99) in this turn"


def run(**turn: object) -> Summary:
    attempt = judge_attempt(case(), manifest(), measurement(**turn), "captures/r-c-a1")  # type: ignore[arg-type]
    return summary([(case(), judge_case(case(), [attempt]))])


def test_a_spoilt_turn_is_one_line_with_its_reason_once(tmp_path: Path) -> None:
    spoilt = run(
        user_kpi_raw_ms=metric(450.0, invalid=True, reason=LATE),
        click_count=metric(0.0, invalid=True, reason=LATE),
        rtt_ms=metric(1.0, "ms", invalid=True, reason=f"the largest of 3 readings; {LATE}"),
    )
    (line,) = [line for line in render_report(spoilt, tmp_path).read_text().splitlines() if "reply 0: " in line]
    assert line.endswith(f"reply 0: {LATE} (3 figures)")
    assert f"reply 0: {LATE} (3 figures)" in read(render_html(spoilt, tmp_path)).words


def test_figures_that_are_doubtful_for_reasons_of_their_own_are_named(tmp_path: Path) -> None:
    spoilt = run(
        rtt_ms=metric(1.0, "ms", invalid=True, reason="one reading"),
        rtp_jitter_ms=metric(1.0, "ms", invalid=True, reason="one reading"),
        user_kpi_raw_ms=metric(201.0, invalid=True, reason="below its floor"),
    )
    text = render_report(spoilt, tmp_path).read_text().replace("\\", "")
    assert "rtt_ms, rtp_jitter_ms (one reading)" in text
    assert "user_kpi_raw_ms (below its floor)" in text
