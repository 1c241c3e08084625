"""One body of OTLP/HTTP, read: bytes → message → SpanLines. Pure, and bounded: what is too large is refused unread.

Encodings after the OpenTelemetry protocol specification (OTLP/HTTP): `application/x-protobuf` and `application/json`, either
of them plain or gzip. In its JSON the ids are hexadecimal, and not base64 as protobuf's JSON has them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from pydantic import ValidationError

from harness.model.spans import ROOM_KEYS, SID_KEYS, AttributeValue, SpanLine

MOST_BYTES = 4 << 20  # of a batch, unpacked: an SDK sends at most 512 spans at once
MOST_JSON_BYTES = 1 << 20  # its reading is some 20 times as slow
MOST_ATTRIBUTES = 128  # an SDK's own default
LONGEST_TEXT = 200
LONGEST_ARGUMENTS = 4_000  # of a tool: a case may ask for any of them
ARGUMENTS = "lk.function_tool.arguments", "lk.pii.function_tool.arguments"
# Every other text is left out: prompts, what was said and settings have another name in each release.
KEPT_TEXTS = {
    *ROOM_KEYS, *SID_KEYS, *ARGUMENTS, "lk.function_tool.name", "gen_ai.tool.name", "lk.function_tool.output",
    "lk.pii.function_tool.output", "lk.eou.outcome", "gen_ai.request.model", "gen_ai.provider.name",
}  # fmt: skip
PROTOBUF, JSON = "application/x-protobuf", "application/json"
GZIP = 16 + zlib.MAX_WBITS


class RefusedError(Exception):
    """A body that is not taken: `why` is counted, `status` is HTTP's."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.why, self.status = why, status


TOO_LARGE = f"larger than {MOST_BYTES >> 20} MiB"
NO_OTLP = "no OTLP"
NO_GZIP = "no gzip"


@dataclass(frozen=True)
class Arrival:
    """When a batch came, on both clocks of this host, read at once."""

    unix_ns: int
    mono_ms: float


def read_body(body: bytes, content_type: str, encoding: str) -> tuple[ExportTraceServiceRequest, int]:
    """(message, bytes of it unpacked). Raises RefusedError."""
    if encoding in ("gzip", "x-gzip"):
        body = _unpacked(body)
    elif encoding not in ("", "identity"):
        raise RefusedError(f"packed by {encoding[:20]!r}", 415)
    if len(body) > MOST_BYTES:
        raise RefusedError(TOO_LARGE, 413)
    if content_type == PROTOBUF:
        try:
            return ExportTraceServiceRequest.FromString(body), len(body)
        except DecodeError as error:
            raise RefusedError(NO_OTLP, 400) from error
    if content_type == JSON:
        return _from_json(body), len(body)
    raise RefusedError(f"of the type {content_type[:40]!r}", 415)


def _unpacked(body: bytes) -> bytes:
    """At most one byte more than is taken, whatever the body would unpack to."""
    unpacker = zlib.decompressobj(GZIP)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES + 1)
    except zlib.error as error:
        raise RefusedError(NO_GZIP, 400) from error
    if not unpacker.eof and len(unpacked) <= MOST_BYTES:
        raise RefusedError(NO_GZIP, 400)  # it ends amid its data
    return unpacked


def _from_json(body: bytes) -> ExportTraceServiceRequest:
    if len(body) > MOST_JSON_BYTES:
        raise RefusedError(f"JSON larger than {MOST_JSON_BYTES >> 20} MiB", 413)
    try:
        told = json.loads(body)
        if not isinstance(told, dict):
            raise TypeError("no object")
        request: ExportTraceServiceRequest = ParseDict(told, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (ValueError, ParseError, RecursionError, AttributeError, TypeError) as error:
        raise RefusedError(NO_OTLP, 400) from error
    for span in (s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans):
        for name in ("trace_id", "span_id", "parent_span_id"):
            setattr(span, name, _hexadecimal(getattr(span, name)))
    return request


def _hexadecimal(read: bytes) -> bytes:
    """What was read as base64 is hexadecimal: write it again, and read it so."""
    try:
        return bytes.fromhex(base64.b64encode(read).decode().rstrip("="))
    except ValueError as error:
        raise RefusedError(NO_OTLP, 400) from error


def spans_of(told: ScopeSpans, arrival: Arrival) -> Iterator[SpanLine | None]:
    """Each span of a library; None for one that is none (no ids, no times, an end before its start)."""
    for span in told.spans:
        yield _line(span, told.scope.name, arrival)


def _line(span: Span, scope: str, arrival: Arrival) -> SpanLine | None:
    if (
        len(span.trace_id) != 16
        or len(span.span_id) != 8
        or not 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    ):
        return None
    attributes: dict[str, AttributeValue] = {}
    for pair in span.attributes:
        value = _value(pair.value, LONGEST_ARGUMENTS if pair.key in ARGUMENTS else LONGEST_TEXT)
        if value is None or (isinstance(value, str) and pair.key not in KEPT_TEXTS):
            continue
        if len(attributes) < MOST_ATTRIBUTES:
            attributes[pair.key[:LONGEST_TEXT]] = value
    try:
        return SpanLine(
            scope=scope[:LONGEST_TEXT],
            name=span.name[:LONGEST_TEXT],
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_span_id=span.parent_span_id.hex(),
            start_unix_ns=span.start_time_unix_nano,
            end_unix_ns=span.end_time_unix_nano,
            attributes=attributes,
            arrived_unix_ns=arrival.unix_ns,
            arrived_mono_ms=round(arrival.mono_ms, 3),
        )
    except ValidationError:
        return None


def _value(value: AnyValue, longest: int) -> AttributeValue | None:
    """Numbers, truths and texts; lists and bytes tell nothing that is used. A float that JSON cannot hold is none."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value[:longest]
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            number = value.double_value
            return number if abs(number) < float("inf") else None
        case _:
            return None
