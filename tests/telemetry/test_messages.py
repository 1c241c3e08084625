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


def in_bytes() -> bytes:
    return in_protobuf().SerializeToString()


def only(request: ExportTraceServiceRequest) -> SpanLine | None:
    (span,) = spans_of(request.resource_spans[0].scope_spans[0], ARRIVAL)
    return span


def test_both_encodings_plain_and_packed_give_the_same_span() -> None:
    in_text = json.dumps(IN_JSON).encode()
    read = [
        only(read_body(in_bytes(), PROTOBUF, "")[0]),
        only(read_body(gzip.compress(in_bytes()), PROTOBUF, "gzip")[0]),
        only(read_body(in_text, JSON, "identity")[0]),
        only(read_body(gzip.compress(in_text), JSON, "gzip")[0]),
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
        (json.dumps(IN_JSON).replace("agent_turn", "\\ud800").encode(), JSON, "", 400),
        (in_bytes().replace(b"agent_turn", b"agent\xfftur"), PROTOBUF, "", 400),
        (json.dumps(IN_JSON).replace(TRACE, "not hexadecimal!").encode(), JSON, "", 400),
        (b"not gzip", PROTOBUF, "gzip", 400),
        (gzip.compress(b"\n\0" * 1_000, mtime=0)[:-10], PROTOBUF, "gzip", 400),
        (b"", "text/plain", "", 415),
        (b"", PROTOBUF, "zstd", 415),
        (bytes(MOST_BYTES + 1), PROTOBUF, "", 413),
        (gzip.compress(bytes(10 * MOST_BYTES), mtime=0), PROTOBUF, "gzip", 413),
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


def test_a_span_is_cut_to_a_bounded_size() -> None:
    request = in_protobuf(name="n" * 10_000)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="lk.pii.room_name").value.string_value = "r" * 10_000
    span.attributes.add(key="endless").value.double_value = float("inf")
    span.attributes.add(key="none").value.double_value = float("nan")
    for n in range(2 * MOST_ATTRIBUTES):
        span.attributes.add(key=f"k{n}" * 1_000).value.int_value = n
    line = only(request)
    assert line is not None
    assert len(line.attributes) == MOST_ATTRIBUTES
    assert {"endless", "none"}.isdisjoint(line.attributes)
    assert line.attributes["lk.pii.room_name"] == "r" * 200
    assert len(line.model_dump_json()) < 40_000


@pytest.mark.parametrize(
    "key",
    [
        "lk.pii.chat_ctx", "gen_ai.input.messages", "input", "gen_ai.tool.call.result",  # LiveKit Agents 1.8, Pipecat 1.14
        "lk.user_transcript", "lk.response.text", "lk.instructions", "lk.input_text",  # earlier LiveKit Agents
        "settings.system_instruction", "extra.api_key", "tools.definitions", "customer.name",  # Pipecat, the bot's own
    ],
)  # fmt: skip
def test_prompts_words_and_settings_are_left_out_whatever_a_release_calls_them(key: str) -> None:
    request = in_protobuf()
    request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key=key).value.string_value = "what was said"
    line = only(request)
    assert line is not None
    assert "what was said" not in line.model_dump_json()


def test_what_is_judged_of_a_tool_is_kept() -> None:
    told = {
        "lk.function_tool.name": "book",
        "lk.pii.function_tool.arguments": "{}" * 500,
        "lk.pii.function_tool.output": "ok",
    }
    request = in_protobuf()
    for key, value in told.items():
        request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key=key).value.string_value = value
    line = only(request)
    assert line is not None
    assert told.items() <= line.attributes.items()
