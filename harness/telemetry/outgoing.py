"""A call's trace → the message of OTLP. Pure."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from harness.model.call_trace import Attributes, AttributeValue, CallTrace, TraceSpan

SCOPE = "earwitness"
CODES = {"": SpanStatus.STATUS_CODE_UNSET, "ok": SpanStatus.STATUS_CODE_OK, "error": SpanStatus.STATUS_CODE_ERROR}


def request_of(trace: CallTrace) -> ExportTraceServiceRequest:
    """One request holds one call."""
    scope = ScopeSpans(
        scope=InstrumentationScope(name=SCOPE, version=trace.version),
        spans=[_span(span, bytes.fromhex(trace.trace_id)) for span in trace.spans],
    )
    resource = Resource(attributes=_pairs(trace.resource))
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def _span(span: TraceSpan, trace_id: bytes) -> Span:
    return Span(
        trace_id=trace_id,
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=span.start_unix_ns,
        end_time_unix_nano=span.end_unix_ns,
        attributes=_pairs(span.attributes),
        events=[
            Span.Event(name=event.name, time_unix_nano=event.at_unix_ns, attributes=_pairs(event.attributes))
            for event in span.events
        ],
        status=SpanStatus(code=CODES[span.outcome], message=span.message),
    )


def _pairs(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in attributes.items()]


def _value(value: AttributeValue) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)
