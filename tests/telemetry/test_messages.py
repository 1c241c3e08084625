"""One body of OTLP: either encoding gives the same spans, and what is malformed or too large is refused unread."""

from __future__ import annotations

import gzip
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.model.spans import SpanLine
from harness.telemetry.messages import (
    JSON,
    MOST_ATTRIBUTES,
    MOST_BYTES,
    MOST_JSON_BYTES,
    PROTOBUF,
    Arrival,
    RefusedError,
    read_body,
    spans_of,
)

ARRIVAL = Arrival(1_800_000_000_000_000_000, 5_000.0)
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
IN_JSON = {
    "resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "bot"}}]},
        "scopeSpans": [{
            "scope": {"name": "livekit-agents"},
            "spans": [{
                "traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "agent_turn", "kind": 1,
                "startTimeUnixNano": "1800000000000000000", "endTimeUnixNano": "1800000001000000000",
                "attributes": [
                    {"key": "lk.e2e_latency", "value": {"doubleValue": 0.812}},
                    {"key": "lk.interrupted", "value": {"boolValue": False}},
                    {"key": "lk.generation_count", "value": {"intValue": "1"}},
                ],
                "a_field_of_a_later_release": 1,
            }],
        }],
    }]
}  # fmt: skip


def in_protobuf(**changes: object) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    scope.scope.name = "livekit-agents"
    told = {
        "trace_id": bytes.fromhex(TRACE), "span_id": bytes.fromhex(SPAN), "parent_span_id": bytes.fromhex(PARENT),
        "name": "agent_turn", "start_time_unix_nano": 1_800_000_000_000_000_000,
        "end_time_unix_nano": 1_800_000_001_000_000_000, **changes,
    }  # fmt: skip
    span = scope.spans.add(**told)  # type: ignore[arg-type]
    for key, value in (("lk.e2e_latency", 0.812), ("lk.interrupted", False), ("lk.generation_count", 1)):
        attribute = span.attributes.add(key=key).value
        setattr(attribute, {float: "double_value", bool: "bool_value", int: "int_value"}[type(value)], value)
    return request


def only(request: ExportTraceServiceRequest) -> SpanLine | None:
    (span,) = spans_of(request, ARRIVAL)
    return span


def test_both_encodings_plain_and_packed_give_the_same_span() -> None:
    in_bytes, in_text = in_protobuf().SerializeToString(), json.dumps(IN_JSON).encode()
    read = [
        only(read_body(in_bytes, PROTOBUF, "")),
        only(read_body(gzip.compress(in_bytes), PROTOBUF, "gzip")),
        only(read_body(in_text, JSON, "identity")),
        only(read_body(gzip.compress(in_text), JSON, "gzip")),
    ]
    assert read[0] is not None
    assert all(span == read[0] for span in read)
    assert (read[0].trace_id, read[0].span_id, read[0].parent_span_id) == (TRACE, SPAN, PARENT)
    assert read[0].attributes == {"lk.e2e_latency": 0.812, "lk.interrupted": False, "lk.generation_count": 1}
    assert SpanLine.model_validate_json(read[0].model_dump_json()) == read[0]


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status"),
    [
        (b"\xff\xff\xff not protobuf", PROTOBUF, "", 400),
        (b"{", JSON, "", 400),
        (b"[]", JSON, "", 400),
        (b'{"resourceSpans": 7}', JSON, "", 400),
        (b"[" * 100_000, JSON, "", 400),
        (json.dumps(IN_JSON).replace(TRACE, "not hexadecimal!").encode(), JSON, "", 400),
        (b"not gzip", PROTOBUF, "gzip", 400),
        (gzip.compress(b"\n\0" * 1_000)[:-10], PROTOBUF, "gzip", 400),
        (b"", "text/plain", "", 415),
        (b"", PROTOBUF, "zstd", 415),
        (bytes(MOST_BYTES + 1), PROTOBUF, "", 413),
        (gzip.compress(bytes(10 * MOST_BYTES)), PROTOBUF, "gzip", 413),
        (b" " * (MOST_JSON_BYTES + 1), JSON, "", 413),
    ],
)
def test_what_is_no_batch_is_refused_with_the_status_of_http(
    body: bytes, kind: str, encoding: str, status: int
) -> None:
    with pytest.raises(RefusedError) as refused:
        read_body(body, kind, encoding)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_id": b""},
        {"span_id": b"short"},
        {"start_time_unix_nano": 0},
        {"end_time_unix_nano": 1},
    ],
)
def test_a_span_without_identity_or_times_is_none(changes: dict[str, object]) -> None:
    assert only(in_protobuf(**changes)) is None


def test_a_span_is_cut_to_a_bounded_size_and_prompts_are_left_out() -> None:
    request = in_protobuf(name="n" * 10_000)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="lk.pii.chat_ctx").value.string_value = "the whole prompt"
    span.attributes.add(key="gen_ai.input.messages").value.string_value = "what was said"
    span.attributes.add(key="input").value.string_value = "what was said"
    span.attributes.add(key="lk.pii.room_name").value.string_value = "a-room"
    span.attributes.add(key="endless").value.double_value = float("inf")
    for n in range(2 * MOST_ATTRIBUTES):
        span.attributes.add(key=f"k{n}").value.string_value = "v" * 10_000
    line = only(request)
    assert line is not None
    assert len(line.attributes) == MOST_ATTRIBUTES
    assert {"lk.pii.chat_ctx", "gen_ai.input.messages", "input", "endless"}.isdisjoint(line.attributes)
    assert line.attributes["lk.pii.room_name"] == "a-room"
    assert len(line.model_dump_json()) < 20_000
