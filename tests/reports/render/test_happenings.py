"""What happened in a call besides is told in words in both reports and in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reports.render.html import render_html
from reports.render.run_report import render_report
from reports.terminal.measurement_table import measurement_table
from tests.judge.canned import case, measurement, summary, verdict

TOLD = ["the agent spoke first, for 1.5 s", "the agent left the room <b>0.5 s</b> after its last reply"]


def test_every_report_tells_what_happened_and_shows_it_as_text(tmp_path: Path) -> None:
    found = measurement().model_copy(update={"happenings": TOLD})
    whole = summary([(case(), verdict(case(), found))])
    page = render_html(whole, tmp_path).read_text(encoding="utf-8")
    text = render_report(whole, tmp_path).read_text(encoding="utf-8")
    for told in (page, text):
        assert TOLD[0] in told
        assert "0.5 s" in told
        assert "<b>0.5 s</b>" not in told


def test_the_terminal_tells_it_too() -> None:
    found = measurement().model_copy(update={"happenings": TOLD})
    console = Console(record=True, width=160)
    with console.capture() as shown:
        console.print(measurement_table(found))
    assert TOLD[0] in shown.get()


def test_a_greeting_is_called_one() -> None:
    found = measurement()
    hello = found.turns[0].model_copy(update={"utterance": None, "greeting": True})
    console = Console(record=True, width=160)
    with console.capture() as shown:
        console.print(measurement_table(found.model_copy(update={"turns": [hello]})))
    assert "greeting" in shown.get()
