"""The funnel of a run stands in report.md and report.html, from the traces in its captures."""

from __future__ import annotations

from pathlib import Path

from harness.model.capture import AGENT_TRACE
from harness.model.events import AgentTurnTrace, Clock, ClockKind, TurnTimes
from harness.model.verdict import Summary
from reports.render.html import render_html
from reports.render.run_report import render_report
from tests.judge.canned import case, measurement, summary, verdict
from tests.reports.render.test_html import Read, read


def leave_trace(folder: Path, trace_id: str, *turns: tuple[TurnTimes, int | None]) -> None:
    folder.mkdir(parents=True)
    clock = Clock(id="test", kind=ClockKind.MONOTONIC)
    lines = [
        AgentTurnTrace(trace_id=trace_id, clock=clock, t=t, reply_seq=seq, vad_hangover_ms=200.0) for t, seq in turns
    ]
    (folder / AGENT_TRACE).write_text("".join(line.model_dump_json() + "\n" for line in lines))


WHOLE = TurnTimes(vad_end=1, stt_done=2, llm_first_token=3, llm_first_segment=3, tts_first_pcm=4, first_publish=5)


def one_case(tmp_path: Path, *turns: tuple[TurnTimes, int | None], heard: bool = True) -> Summary:
    measured = measurement()
    (turn,) = measured.turns
    turn = turn.model_copy(update={"onset_sample": 48_000 if heard else None})
    made = summary([(case(), verdict(case(), measured.model_copy(update={"turns": [turn]})))])
    (attempt,) = made.cases[0].attempts
    leave_trace(tmp_path / attempt.folder, attempt.trace_id, *turns)
    return made


def test_a_reply_that_was_heard_comes_through_and_a_lost_turn_is_named(tmp_path: Path) -> None:
    made = one_case(tmp_path, (WHOLE, 0), (TurnTimes(vad_end=9, stt_done=10), None))
    text = render_report(made, tmp_path).read_text()
    assert "| end of turn | 2 | – |" in text
    assert "| understood | 2 | 1 unexplained |" in text
    assert "| published | 1 | – |" in text
    assert "| heard | 1 | – |" in text
    assert "**unexplained**" in text


def test_a_reply_that_was_published_and_not_heard_is_lost_there(tmp_path: Path) -> None:
    text = render_report(one_case(tmp_path, (WHOLE, 0), heard=False), tmp_path).read_text()
    assert "| published | 1 | 1 unexplained |" in text
    assert "| heard | 0 | – |" in text


def test_without_a_trace_of_the_agent_there_is_no_funnel(tmp_path: Path) -> None:
    made = summary([(case(), verdict(case(), measurement()))])
    assert "where they were lost" not in render_report(made, tmp_path).read_text()


def test_a_trace_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    made = one_case(tmp_path, (WHOLE, 0))
    (tmp_path / made.cases[0].attempts[0].folder / AGENT_TRACE).write_text("{")
    assert "where they were lost" not in render_report(made, tmp_path).read_text()


def cells(page: Read, stage: str) -> list[str]:
    """A row of the funnel, cell by cell, as it is read aloud."""
    (table,) = [element for element in page.all("table") if "funnel" in element.get("class", "").split()]
    rows = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in table.iter("tr")]
    return next(row for row in rows if row[0].startswith(stage))


def test_the_page_draws_the_funnel_and_says_what_each_step_and_label_means(tmp_path: Path) -> None:
    lost = TurnTimes(vad_end=9, stt_done=10)
    cut = TurnTimes(vad_end=9, stt_done=10, cancel=11)
    page = read(render_html(one_case(tmp_path, (WHOLE, 0), (lost, None), (cut, None), (WHOLE, 1)), tmp_path))
    assert "1 of 4 turns came to “heard”." in page.words
    assert cells(page, "end of turn") == ["end of turnthe agent decided that the user had finished", "4 100 %", "–"]
    assert cells(page, "understood") == ["understoodit had the user's words", "4 100 %", "1 cancelled, 1 unexplained"]
    assert cells(page, "words found")[1:] == ["2 50 %", "–"]
    assert cells(page, "published")[1:] == ["2 50 %", "1 unexplained"]
    assert cells(page, "heard") == ["heardthe user heard it", "1 25 %", "–"]
    bars = [e for e in page.root.iter() if e.get("class") == "reach"]
    assert [bar[0].get("style") for bar in bars[1:3]] == ["width:100.000%", "width:50.000%"]
    assert all(bar.get("aria-hidden") == "true" for bar in bars)  # the number stands beside it
    text = "".join(page.root.itertext())
    assert "cancelled: the user went on, or cut it off; unexplained: nothing accounts for it." in text
    assert "empty: there" not in text
    assert "r-c-a1 after “understood”" in page.words


def test_a_page_without_a_trace_of_the_agent_has_no_funnel(tmp_path: Path) -> None:
    page = read(render_html(summary([(case(), verdict(case(), measurement()))]), tmp_path))
    assert "How far the turns came" not in page.words
