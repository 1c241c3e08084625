"""Which call a span belongs to: by the path it came by, by the room that its trace names, by the clock of a call alone."""

from __future__ import annotations

from itertools import count

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.telemetry.inbox import MOST_HELD_BYTES, Batch, CallWindow, Inbox
from harness.telemetry.messages import Arrival, RefusedError

START_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
IDS = count(1)


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
            trace_id=trace.to_bytes(16, "big"), span_id=next(IDS).to_bytes(8, "big"), name=name,
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
    assert told.left_out == {"that name no call": 1}
    assert told.incomplete, "it may have been this call's"


def test_what_lies_outside_the_call_is_not_its() -> None:
    told = filled(batch(("agent_turn", {}), at_s=60.0)).take(window())
    assert told.spans == ()
    assert told.left_out == {"outside the call by their own clock": 1}


def test_the_path_goes_before_the_room_that_a_span_names() -> None:
    elsewhere = batch(("agent_session", {"lk.room_sid": "RM_of_its_own_server"}), ("agent_turn", {}), room="ours")
    assert len(names(filled(elsewhere), window(sid=""))) == 2


def test_an_id_of_another_release_that_is_no_sid_says_nothing_of_the_room() -> None:
    told = batch(
        ("job_entrypoint", {"lk.room_name": "ours", "gen_ai.conversation.id": "AJ_job"}),
        ("agent_turn", {"gen_ai.conversation.id": "AJ_job"}),
    )
    assert len(names(filled(told), window(alone=False))) == 2


def test_sessions_that_share_a_trace_are_told_apart_by_the_rooms_that_their_own_spans_name() -> None:
    shared = batch(
        ("load_test", {}), ("agent_turn", {"lk.room_sid": "RM_ours"}), ("agent_turn", {"lk.room_sid": "RM_theirs"})
    )
    inbox = filled(shared, rooms=("ours", "theirs"))
    for room in ("ours", "theirs"):
        told = inbox.take(window(room, sid=f"RM_{room}", alone=False))
        assert [span.text("lk.room_sid") for span in told.spans] == [f"RM_{room}"]
        assert told.left_out == {"of other calls": 1, "that name no call": 1}


def test_a_batch_that_an_exporter_sends_again_counts_once() -> None:
    twice = batch(("agent_turn", {}), ("function_tool", {}), room="ours")
    again = Batch(twice.request, Arrival(twice.arrival.unix_ns + SECOND_NS, 2_000.0), "ours", twice.n_bytes)
    told = filled(twice, again).take(window())
    assert [span.name for span in told.spans] == ["agent_turn", "function_tool"]
    assert {span.arrived_mono_ms for span in told.spans} == {1_000.0}
    assert told.in_words == "2 spans of the agent came by OpenTelemetry"


def test_late_spans_of_a_call_that_is_over_are_not_the_next_ones() -> None:
    inbox = filled(batch(("turn", {}), scope="pipecat"))
    assert names(inbox, window()) == ["turn"]
    inbox.open("next")
    inbox.put(batch(("turn", {}), scope="pipecat", at_s=19.0))
    assert inbox.take(window("next", sid="RM_next", at_s=19.5)).left_out == {"of other calls": 1}


def test_what_came_before_a_call_began_is_not_its() -> None:
    inbox = filled(batch(("turn", {}), scope="pipecat"), rooms=())
    inbox.open("ours")
    assert inbox.take(window()).in_words == ""


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
    assert told.incomplete


def test_a_malformed_span_of_another_library_costs_nothing() -> None:
    backwards = batch(("GET", {}), scope="opentelemetry.instrumentation.httpx", room="ours")
    backwards.request.resource_spans[0].scope_spans[0].spans[0].end_time_unix_nano = 1
    told = filled(backwards).take(window())
    assert told.left_out == {"of other libraries": 1}
    assert not told.incomplete


def test_the_path_of_a_call_that_is_not_open_is_refused_and_nothing_of_it_is_held() -> None:
    inbox = filled()
    late = batch(("agent_turn", {}), room="gone")
    with pytest.raises(RefusedError, match="no open call") as refused:
        inbox.put(Batch(late.request, late.arrival, "gone", MOST_HELD_BYTES))
    assert refused.value.status == 404
    inbox.refuse("gone", refused.value.why)
    inbox.put(batch(("agent_turn", {}), room="ours"))
    told = inbox.take(window())
    assert (len(told.spans), told.refused) == (1, {})


def test_calls_that_follow_one_another_without_a_gap_do_not_fill_what_is_held() -> None:
    inbox = filled(rooms=("call 0",))
    for number in range(20):
        large = batch(("agent_turn", {"lk.room_sid": f"RM_{number}"}), trace=number + 1)
        inbox.put(Batch(large.request, large.arrival, None, MOST_HELD_BYTES // 4))
        inbox.open(f"call {number + 1}")  # beside the one that ends now
        assert names(inbox, window(f"call {number}", sid=f"RM_{number}", alone=False)) == ["agent_turn"]


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


def test_what_was_refused_without_a_path_may_have_been_any_open_call_s() -> None:
    inbox = filled(rooms=("ours", "theirs"))
    inbox.refuse(None, "no OTLP")
    assert inbox.take(window(alone=False)).incomplete
    assert inbox.take(window("theirs", sid="RM_theirs", alone=False)).incomplete


def test_reasons_without_end_are_counted_as_others() -> None:
    inbox = filled()
    for number in range(2_000):
        inbox.refuse("ours", f"of the type 'text/{number}'")
    refused = inbox.take(window()).refused
    assert (len(refused), sum(refused.values())) == (21, 2_000)
