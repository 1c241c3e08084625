"""Which call a span belongs to: by the path it came by, by the room that its trace names, by the clock of a call alone."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.telemetry.inbox import MOST_HELD_BYTES, Batch, CallWindow, Inbox
from harness.telemetry.messages import Arrival, RefusedError

START_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000


def window(room: str = "ours", *, sid: str = "RM_ours", alone: bool = True, at_s: float = 0.0) -> CallWindow:
    began = START_NS + round(at_s * SECOND_NS)
    return CallWindow(room, sid, began, began + 20 * SECOND_NS, alone)


def batch(
    *spans: tuple[str, dict[str, str]], trace: int = 1, scope: str = "livekit-agents", room: str | None = None, at_s: float = 5.0
) -> Batch:  # fmt: skip
    """Spans of one trace: (name, attributes)."""
    request = ExportTraceServiceRequest()
    told = request.resource_spans.add().scope_spans.add()
    told.scope.name = scope
    start_ns = START_NS + round(at_s * SECOND_NS)
    for number, (name, attributes) in enumerate(spans, start=1):
        span = told.spans.add(
            trace_id=trace.to_bytes(16, "big"), span_id=(trace * 100 + number).to_bytes(8, "big"), name=name,
            start_time_unix_nano=start_ns + number, end_time_unix_nano=start_ns + SECOND_NS,
        )  # fmt: skip
        for key, value in attributes.items():
            span.attributes.add(key=key).value.string_value = value
    return Batch(request, Arrival(start_ns + 2 * SECOND_NS, 1_000.0), room, request.ByteSize())


def filled(*batches: Batch, rooms: tuple[str, ...] = ("ours",)) -> Inbox:
    inbox = Inbox()
    for room in rooms:
        inbox.open(room)
    for item in batches:
        inbox.put(item)
    return inbox


def names(inbox: Inbox, call: CallWindow) -> list[str]:
    return [span.name for span in inbox.take(call).spans]


@pytest.mark.parametrize("key", ["lk.room_sid", "gen_ai.conversation.id", "room_id"])
def test_a_trace_belongs_to_the_room_that_one_of_its_spans_names(key: str) -> None:
    first, later = batch(("agent_session", {key: "RM_ours"})), batch(("agent_turn", {}))
    assert sorted(names(filled(later, first), window(alone=False))) == ["agent_session", "agent_turn"]


def test_a_trace_of_another_room_is_left_out_and_counted() -> None:
    other = batch(("agent_session", {"lk.room_sid": "RM_theirs"}), ("agent_turn", {}), trace=2)
    told = filled(batch(("agent_turn", {})), other).take(window())
    assert [span.trace_id[-1] for span in told.spans] == ["1"]
    assert told.left_out == {"of other calls": 2}
    assert "left out: 2 of other calls" in told.in_words


def test_pipecat_spans_find_their_call_by_the_room_as_conversation_id_or_by_the_clock() -> None:
    by_name = batch(("conversation", {"conversation.id": "ours"}), ("turn", {}), scope="pipecat.turn", at_s=500.0)
    by_clock = batch(("turn", {"conversation.id": "3f0c-made-up"}), trace=2, scope="pipecat.turn")
    assert len(names(filled(by_name, by_clock), window())) == 3


def test_by_the_clock_alone_nothing_is_taken_where_two_calls_were_open() -> None:
    inbox = filled(batch(("agent_turn", {})), rooms=("ours", "theirs"))
    assert not inbox.was_alone("ours")
    told = inbox.take(window(alone=inbox.was_alone("ours")))
    assert told.spans == ()
    assert told.left_out == {"of other calls": 1}


def test_what_lies_outside_the_call_is_not_its() -> None:
    assert names(filled(batch(("agent_turn", {}), at_s=60.0)), window()) == []


def test_the_path_says_whose_spans_they_are_beside_another_call_and_the_other_call_keeps_its_own() -> None:
    ours, theirs = batch(("agent_turn", {}), room="ours"), batch(("agent_turn", {}), trace=2, room="theirs")
    inbox = filled(ours, theirs, rooms=("ours", "theirs"))
    assert [span.trace_id[-1] for span in inbox.take(window(alone=False)).spans] == ["1"]
    assert [span.trace_id[-1] for span in inbox.take(window("theirs", sid="RM_theirs", alone=False)).spans] == ["2"]


def test_spans_of_other_libraries_and_malformed_ones_are_counted() -> None:
    foreign = batch(("GET", {}), ("GET", {}), scope="opentelemetry.instrumentation.httpx", room="ours")
    malformed = batch(("agent_turn", {}), room="ours")
    malformed.request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    told = filled(foreign, malformed).take(window())
    assert told.left_out == {"of other libraries": 2, "malformed": 1}


def test_no_more_is_held_than_fits() -> None:
    inbox = filled()
    large = batch(("agent_turn", {}))
    inbox.put(Batch(large.request, large.arrival, None, MOST_HELD_BYTES))
    with pytest.raises(RefusedError, match="at once"):
        inbox.put(large)
    inbox.take(window())
    inbox.put(large)  # what the call did not own has been let go


def test_what_nothing_was_told_of_says_nothing() -> None:
    assert filled().take(window()).in_words == ""


def test_refused_batches_are_told_once() -> None:
    inbox = filled()
    inbox.refuse("ours", "no OTLP")
    inbox.refuse(None, "no OTLP")
    inbox.refuse(None, "larger than 4 MiB")
    told = inbox.take(window())
    assert told.in_words.endswith("refused: 1 batch (larger than 4 MiB), 2 batches (no OTLP)")
    inbox.open("next")
    assert inbox.take(window("next")).refused == {}
