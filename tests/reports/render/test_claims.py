"""Claimed against heard, in both reports."""

from __future__ import annotations

import re
from pathlib import Path

from harness.model.measurement import Metric
from reports.render.html import render_html
from reports.render.run_report import finish_report
from tests.judge.canned import case, measurement, summary, verdict
from tests.judge.claimed_runs import claimed_run
from tests.reports.render.test_html import read

TURNS = [(1_700.0 + 20 * n, 1_300.0, 60.0, 340.0 + 20 * n) for n in range(6)]
FAULT = Metric(value=0.0, unit="ms", invalid=True, reason="no agent answers in 0 ms | <b>")
SENTENCE = (
    "Your dashboard misses 450 ms of what your users wait (mean of 6 turns): 60 before it starts to count, "
    "390 after it stops."
)


def test_the_page_has_the_sentence_the_faults_and_a_dot_a_turn(tmp_path: Path) -> None:
    path = render_html(claimed_run(TURNS, [FAULT]), tmp_path)
    page = read(path)
    assert SENTENCE in page.words
    assert "case6-a1, reply 0: the agent reports 0 ms: no agent answers in 0 ms | <b>" in page.words
    assert "Claimed: the agent reports 1300 ms; the user waited 400 ms more: 60 before it starts to count" in page.words
    assert len(re.findall(r'<i class="dot agreed" style="left:', path.read_text())) == len(TURNS)


def test_the_report_has_the_sentence_and_the_picture(tmp_path: Path) -> None:
    finish_report(claimed_run(TURNS, [FAULT]), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert SENTENCE in text
    assert "| claims absurd | 1 |" in text
    assert (tmp_path / "pictures" / "claims.png").stat().st_size > 1_000
    assert "](pictures/claims.png)" in text


def test_an_agent_that_claims_nothing_has_no_section(tmp_path: Path) -> None:
    finish_report(summary([(case(), verdict(case(), measurement()))]), tmp_path)
    assert "Claimed against heard" not in (tmp_path / "report.md").read_text()
    assert "Claimed against heard" not in (tmp_path / "report.html").read_text()
