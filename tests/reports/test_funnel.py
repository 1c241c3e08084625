"""The funnel of a run stands in report.md, from the traces in its captures."""

from __future__ import annotations

from pathlib import Path

from harness.model.capture import AGENT_TRACE
from harness.model.events import AgentTurnTrace, Clock, ClockKind, TurnTimes
from harness.model.verdict import Summary
from reports.render import render_report
from tests.judge.canned import case, measurement, summary, verdict


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
