"""Which turns were DEGRADED, from the trace that the agent left in a capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.capture import AGENT_TRACE
from harness.model.degraded import degraded_in, engine_and_why
from harness.model.events import AgentTurnTrace, Clock, ClockKind, TurnTimes

CLOCK = Clock(id="test", kind=ClockKind.MONOTONIC)


def line(reply_seq: int | None, *notes: str) -> str:
    turn = AgentTurnTrace(
        trace_id="t", reply_seq=reply_seq, clock=CLOCK, t=TurnTimes(), vad_hangover_ms=200, degraded=list(notes)
    )
    return turn.model_dump_json() + "\n"


def test_the_turns_in_which_something_fell_back_are_told_with_what_fell_back(tmp_path: Path) -> None:
    told = (
        line(0) + line(1, "stt: late; the reserve listened", "tts: refused; the reserve spoke") + line(None, "llm: x")
    )
    (tmp_path / AGENT_TRACE).write_text(told)
    found = degraded_in(tmp_path)
    assert [turn.reply_seq for turn in found] == [1, None]
    assert [turn.engines for turn in found] == [["stt", "tts"], ["llm"]]


def test_a_torn_line_costs_its_own_turn_alone(tmp_path: Path) -> None:
    (tmp_path / AGENT_TRACE).write_bytes(
        line(0, "tts: refused").encode() + b'\xff{"torn\n' + line(1, "tts: x")[:40].encode()
    )
    assert [turn.reply_seq for turn in degraded_in(tmp_path)] == [0]


def test_an_agent_that_leaves_no_trace_says_nothing(tmp_path: Path) -> None:
    assert degraded_in(tmp_path) == []


@pytest.mark.parametrize(
    ("note", "engine", "why"),
    [
        ("tts: refused; the reserve spoke", "tts", "refused; the reserve spoke"),
        ("stt: http://h:1/v1: first byte took longer", "stt", "http://h:1/v1: first byte took longer"),
        ("http://h:1 went away", "an engine", "http://h:1 went away"),
        ("nobody knows", "an engine", "nobody knows"),
        ("|evil\n# head: x", "an engine", "|evil\n# head: x"),
    ],
)
def test_a_note_names_its_engine_first(note: str, engine: str, why: str) -> None:
    assert engine_and_why(note) == (engine, why)
