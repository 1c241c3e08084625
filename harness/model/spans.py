"""spans.jsonl: what an agent told of its call by OpenTelemetry, one span a line, as it came to the harness's receiver.

Times of a span are ns of the agent's wall clock (`time.time_ns`). Beside them stands when the span arrived, on this host's wall
clock and on its monotonic clock, so that whoever reads the file can tie the two. Of texts only those that are used are kept, and
long ones are cut: a conversation is kept in transcript.jsonl. A span is the agent's own claim.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AttributeValue = bool | int | float | str
LIVEKIT_SCOPE = "livekit-agents"  # livekit/agents/telemetry/traces.py: tracer = _DynamicTracer("livekit-agents")
PIPECAT_SCOPES = ("pipecat", "pipecat.turn")  # pipecat/utils/tracing: get_tracer("pipecat"), get_tracer("pipecat.turn")
KNOWN_SCOPES = (LIVEKIT_SCOPE, *PIPECAT_SCOPES)
ROOM_KEYS = ("lk.pii.room_name", "lk.room_name", "conversation.id")  # the last is Pipecat's, if it is given the room
SID_KEYS = ("gen_ai.conversation.id", "lk.room_sid", "room_id")


class SpanLine(BaseModel):
    """One span. `scope`: the library that made it; ids are hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    v: Literal[1] = 1
    scope: str
    name: str
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    start_unix_ns: int = Field(ge=0)
    end_unix_ns: int = Field(ge=0)
    attributes: dict[str, AttributeValue] = Field(default_factory=dict)
    arrived_unix_ns: int
    arrived_mono_ms: float

    @property
    def start_ms(self) -> float:
        """On the agent's wall clock."""
        return self.start_unix_ns / 1e6

    @property
    def end_ms(self) -> float:
        return self.end_unix_ns / 1e6

    def number(self, name: str) -> float | None:
        """An attribute that is a finite number; None for any other, or none."""
        value = self.attributes.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) < float("inf") else None

    def text(self, *names: str) -> str:
        """The first of these attributes that is a text; releases of a framework rename theirs."""
        return next((value for name in names if isinstance(value := self.attributes.get(name), str)), "")
