"""The bytes that an attached agent writes and reads are those of the pydantic schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from earwitness.attached import wire
from earwitness.attached.turns import Reply
from harness.model import events
from harness.model.events import AgentTurnTrace, Event, EventError, EventType, TurnTimes, parse_event
from runtime.trace import host_clock

TRACE: dict[str, Any] = {
    "v": 1, "type": "trace", "trace_id": "r-question-a1", "run_id": "r", "case_id": "question", "attempt": 1, "seq": 0,
    "t_ms": 12.5, "clock": {"id": "mono:x", "kind": "monotonic"}, "sender": "probe", "data": {"user": "ew-user"},
}  # fmt: skip
ASKED = wire.Question("trace", "r-question-a1", "r", "question", 1, "ew-user")
SAID = [("trace_ack", None, {}), ("agent_ready", None, {}), ("reply_start", 0, {}),
        ("reply_end", 3, {"cause": "interrupted"}), ("agent_state", None, {"state": "THINKING", "cause": "naïve 好"}),
        ("trace_written", None, {"files": ["pre_rtc.wav", "agent_trace.jsonl"]})]  # fmt: skip


def test_constants_are_those_of_the_schema() -> None:
    assert (wire.TOPIC, wire.MAX_EVENT_BYTES, wire.VERSION) == (
        events.TOPIC,
        events.MAX_EVENT_BYTES,
        events.SCHEMA_VERSION,
    )
    assert f"^{wire.TRACE_ID.pattern}$" == events.TRACE_ID_PATTERN
    assert wire.VERSION == events.AGENT_TRACE_VERSION
    assert wire.clock() == host_clock().model_dump(mode="json")


@pytest.mark.parametrize(("event_type", "reply_seq", "data"), SAID, ids=[said[0] for said in SAID])
def test_an_event_is_byte_for_byte_what_the_schema_writes(
    event_type: str, reply_seq: int | None, data: dict[str, Any]
) -> None:
    written = wire.event_bytes(ASKED, event_type, 7, 81234.5, reply_seq, data)
    event = Event(type=EventType(event_type), trace_id="r-question-a1", run_id="r", case_id="question", attempt=1, seq=7,
                  t_ms=81234.5, clock=host_clock(), sender="agent", reply_seq=reply_seq, data=data)  # fmt: skip
    assert written == event.to_bytes()
    assert parse_event(written) == event


def test_a_question_is_read_as_the_schema_reads_it() -> None:
    assert wire.read_question(json.dumps(TRACE).encode()) == ASKED


@pytest.mark.parametrize("data", [{}, {"user": 5}, {"user": None}])
def test_a_trace_need_not_name_the_user(data: dict[str, Any]) -> None:
    question = wire.read_question(json.dumps({**TRACE, "data": data}).encode())
    assert question is not None
    assert question.user is None


@pytest.mark.parametrize(
    "changes",
    [{"v": 2}, {"attempt": 0}, {"attempt": "1"}, {"attempt": True}, {"trace_id": "../../etc"}, {"trace_id": ".hidden"},
     {"trace_id": "a/b"}, {"trace_id": "a\n"}, {"trace_id": "x" * 121}, {"trace_id": 5}, {"run_id": None},
     {"case_id": "x" * 121}, {"data": {"x": "y" * 14_000}}],
    ids=lambda changes: str(changes)[:40],
)  # fmt: skip
def test_what_the_schema_refuses_is_no_question(changes: dict[str, Any]) -> None:
    payload = json.dumps({**TRACE, **changes}).encode()
    with pytest.raises(EventError):
        parse_event(payload)
    assert wire.read_question(payload) is None


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"[]", b"null", b"{", b"[" * 100_000, b"[" * 13_000])
def test_garbage_is_no_question(payload: bytes) -> None:
    assert wire.read_question(payload) is None


def test_a_turn_is_a_line_of_the_schema_with_names_that_it_knows() -> None:
    reply = Reply(
        2,
        hangover_ms=200.0,
        claim="e2e_latency",
        claimed_ms=812.3456,
        user_text="half \ud83d a character",
        text="fine\u2028so",
    )
    for number, name in enumerate(TurnTimes.model_fields):
        reply.stamp(name, 100.0 + number)
    reply.pre_start, reply.pre_end, reply.cause = 480, 960, "completed"
    line = reply.line("r-question-a1", [(1.5, "SPEAKING", "AgentSession")], lambda position: position)
    read = AgentTurnTrace.model_validate_json(wire.as_json(line))
    assert read.t.model_dump() == reply.t
    assert (read.reply_seq, read.pre_start_sample, read.pre_end_sample, read.cause) == (2, 480, 960, "completed")
    assert (read.reply_text, read.clock, read.vad_hangover_ms) == ("fine\u2028so", host_clock(), 200.0)
    assert (read.claim, read.claimed_latency_ms) == ("e2e_latency", 812.346)
    assert set(line) <= set(AgentTurnTrace.model_fields)
