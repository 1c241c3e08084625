"""Turns by an engine's reserve, where a reviewer looks: the case's row, the turn, the run's first line, a section with why."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from harness.judge.verdict import judge_attempt, judge_case
from harness.model.degraded import DegradedTurn
from harness.model.verdict import CaseVerdict, Summary
from harness.run.progress import Progress
from reports.render.html import render_html
from reports.render.run_report import render_report
from reports.terminal.table import verdict_table
from tests.judge.canned import case, manifest, measurement, metric, summary
from tests.reports.render.test_html import read

NOTE = "tts: http://127.0.0.1:1/v1: <b>refused</b> | gone; the reserve spoke"


def told(*degraded: DegradedTurn) -> CaseVerdict:
    """Two attempts: what is degraded is of the second, whose answer took longer."""
    slow = measurement(attempt=2, user_kpi_raw_ms=metric(580.0))
    attempts = [
        judge_attempt(case(), manifest(), measurement(), "captures/r-c-a1"),
        judge_attempt(case(), manifest(attempt=2), slow, "captures/r-c-a2", degraded),
    ]
    return judge_case(case(), attempts)


def run(*degraded: DegradedTurn) -> Summary:
    return summary([(case(), told(*degraded))])


FELL_BACK = DegradedTurn(reply_seq=0, notes=[NOTE])


def test_the_markdown_report_says_which_engine_why_and_in_which_turn(tmp_path: Path) -> None:
    text = render_report(run(FELL_BACK), tmp_path).read_text()
    assert text.splitlines()[0].endswith("1 of 1 cases passed; 1 turn DEGRADED (tts)")
    assert "## 1 turn DEGRADED (tts)" in text
    why = "http://127.0.0.1:1/v1: \\<b>refused\\</b> \\| gone; the reserve spoke"
    assert f"| voice (tts) | {why} | 1 | r-c-a2 |" in text
    assert f"| c | attempt 2, reply 0 | 580 ms | tts: {why} |" in text
    assert "these turns P50 580 ms (n 1), all others P50 450 ms (n 1)" in text
    assert "PASS, DEGRADED | 2 | 580 ms |" in text


def test_the_page_has_the_label_at_the_case_at_the_turn_and_in_a_section(tmp_path: Path) -> None:
    page = read(render_html(run(FELL_BACK), tmp_path))
    chips = ["".join(e.itertext()) for e in page.all("span") if e.get("class") == "chip warn"]
    assert chips.count("DEGRADED") == 2  # at the turn, and over the section
    assert "1 turn DEGRADED (tts)" in "".join(page.by_id("case-c").itertext())
    assert page.words.count(NOTE) == 2  # at the turn, turn by turn; by engine it stands without the engine's name
    assert not any("refused" in "".join(bold.itertext()) for bold in page.all("b"))  # its markup is text


def test_a_turn_that_led_to_no_reply_is_told_too(tmp_path: Path) -> None:
    text = render_report(run(DegradedTurn(reply_seq=None, notes=["stt: x"])), tmp_path).read_text()
    assert "| c | attempt 2, no reply came of it | – | stt: x |" in text
    assert "None of these turns was timed; all others P50 515 ms (n 2)." in text


def test_the_terminal_says_so_at_the_case_and_at_the_end() -> None:
    console = Console(record=True, width=200)
    with Progress(console, 1) as progress:
        progress.verdict(told(FELL_BACK))
    console.print(verdict_table(run(FELL_BACK)))
    lines = [line for line in console.export_text().splitlines() if "1 turn DEGRADED (tts)" in line]
    assert len(lines) == 2


def test_without_such_a_turn_no_report_has_the_word(tmp_path: Path) -> None:
    assert "DEGRADED" not in render_report(run(), tmp_path).read_text()
    assert "DEGRADED" not in read(render_html(run(), tmp_path)).words
