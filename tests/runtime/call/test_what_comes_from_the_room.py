"""Events from the room and to it: what does not fit is refused or shortened, and nobody can fill our log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from harness.model.events import MAX_EVENT_BYTES, AgentTurnTrace, Clock, ClockKind, Event, EventType, parse_event
from runtime.call.inbox import BURST, EVENTS_PER_S, PERIOD_S, SENDERS, Inbox
from runtime.call.outbox import to_packet
from runtime.trace import Trace, TurnRecord


def event(**data: Any) -> Event:
    clock = Clock(id="test", kind=ClockKind.MONOTONIC)
    return Event(
        type=EventType.TRANSCRIPT, trace_id="t-1", run_id="", case_id="", attempt=1, seq=0, t_ms=1.0,
        clock=clock, sender="user-1", data=data,
    )  # fmt: skip


GOOD = event().to_bytes()


def test_an_event_is_taken_and_nonsense_is_not() -> None:
    inbox = Inbox("desk")
    assert inbox.take(GOOD, "user-1", 0.0) == parse_event(GOOD)
    for payload in (b"", b"\x00\xff\xfe", b"{}", b"[" * 10_000, b'{"v": 1e400}', b"x" * (MAX_EVENT_BYTES + 1)):
        assert inbox.take(payload, "user-1", 0.0) is None
    assert inbox.rejected == 6


def test_a_flood_is_refused_and_what_comes_later_is_taken_again() -> None:
    inbox = Inbox("desk")
    taken = sum(inbox.take(GOOD, "user-1", 10.0) is not None for _ in range(10_000))
    assert taken == BURST
    assert inbox.take(GOOD, "user-1", 10.0 + 1.5 / EVENTS_PER_S) is not None


def test_a_flood_of_one_costs_another_one_nothing_and_names_made_up_by_the_thousand_fill_no_memory() -> None:
    inbox = Inbox("desk")
    for _ in range(10_000):
        inbox.take(GOOD, "mallory", 10.0)
    assert inbox.take(GOOD, "user-1", 10.0) is not None
    taken = sum(inbox.take(GOOD, f"mallory-{number}", 10.0) is not None for number in range(10_000))
    assert taken == SENDERS - 2
    assert inbox.take(GOOD, "user-1", 10.0) is not None
    assert inbox.take(GOOD, "user-2", 20.0) is not None  # those are quiet by now


def test_a_flood_is_a_few_lines_in_the_log_and_its_sender_writes_none_of_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox = Inbox("desk")
    with caplog.at_level(logging.WARNING):
        for _ in range(10_000):
            inbox.take(b"{", "mallory\nERROR all is lost\x1b[2J" + "x" * 1_000, 0.0)
        inbox.take(b"{", "mallory", PERIOD_S + 1)
    assert len(caplog.messages) == 7
    assert "9995 more events were rejected" in caplog.messages[5]
    assert all(line.isprintable() and len(line) < 400 for line in caplog.messages)


@pytest.mark.parametrize("letter", ["x", "語", "\U0001f984", "\u0000", '"'])
def test_a_text_that_is_too_long_is_shortened_to_what_fits(letter: str) -> None:
    packet = to_packet(event(role="agent", text=letter * 20_000, final=True))
    assert packet is not None
    assert MAX_EVENT_BYTES - 20 <= len(packet) <= MAX_EVENT_BYTES
    data = parse_event(packet).data
    assert len(data["text"]) + data["cut"] == 20_000
    assert set(data["text"]) == {letter}


def test_half_a_character_is_replaced_in_events_and_in_the_trace(tmp_path: Path) -> None:
    packet = to_packet(event(role="user", text="half \ud83e", final=True))
    assert packet is not None
    assert parse_event(packet).data["text"] == "half \ufffd"
    (tmp_path / "t-1").mkdir()
    trace = Trace(tmp_path, 200.0)
    trace.adopt(event().model_copy(update={"type": EventType.TRACE}))
    trace.turns.append(TurnRecord(user_text="half \ud83e", reply_text="\udd84 a half"))
    (name,) = trace.write([])
    line = AgentTurnTrace.model_validate_json((tmp_path / "t-1" / name).read_bytes())
    assert (line.user_text, line.reply_text) == ("half \ufffd", "\ufffd a half")


def test_a_short_event_is_sent_as_it_is_and_one_without_text_that_is_too_long_not_at_all() -> None:
    assert to_packet(event(role="agent", text="", final=True)) == event(role="agent", text="", final=True).to_bytes()
    assert to_packet(event(files=["x" * 20_000])) is None
