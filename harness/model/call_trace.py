"""A call as a trace for whoever shows traces: spans with their events, in the terms of OpenTelemetry, free of its messages.

Ids are hexadecimal; times are ns of the wall clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

AttributeValue = bool | int | float | str
Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True)
class TraceEvent:
    """Something at one moment of a span."""

    name: str
    at_unix_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class TraceSpan:
    """[start, end] of something. `outcome` "" says neither that it was right nor that it was wrong; `message`: why wrong."""

    name: str
    span_id: str
    parent_id: str  # "" for the trace's first span
    start_unix_ns: int
    end_unix_ns: int
    attributes: Attributes = field(default_factory=dict)
    events: tuple[TraceEvent, ...] = ()
    outcome: Literal["", "ok", "error"] = ""
    message: str = ""


@dataclass(frozen=True)
class CallTrace:
    """The spans of one call, the call itself first. `resource`: who made them."""

    trace_id: str
    resource: Attributes
    version: str
    spans: tuple[TraceSpan, ...]
