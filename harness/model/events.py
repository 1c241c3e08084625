"""The one schema of the events that participants exchange over the LiveKit data channel.

All events travel reliably on one topic, as UTF-8 JSON, and are filtered by `trace_id`. The Python side and the page are
tested against the same schema (`event_json_schema`). Times are milliseconds on the clock named beside them.
Sequence of an attempt: trace → trace_ack → (first agent frame at the probe) probe_ready → agent_ready → user speaks →
reply_start → reply_end (the same `reply_seq`). This module imports nothing of the harness, so agents and bots may use it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

SCHEMA_VERSION: Literal[1] = 1
TOPIC = "earwitness.v1"
MAX_EVENT_BYTES = 14_000  # a reliable data packet of LiveKit is limited to 15 KiB
TRACE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$"  # it names a folder: no separator, no leading dot


class EventType(StrEnum):
    TRACE = "trace"  # probe → all: this attempt's identity
    TRACE_ACK = "trace_ack"  # agent → probe: adopted; data.tools: whether it will tell of its tools
    PROBE_READY = "probe_ready"  # probe → agent: your first frame has arrived
    AGENT_READY = "agent_ready"  # agent → probe: the user may speak
    REPLY_START = "reply_start"  # agent: first frame of reply `reply_seq` is published
    REPLY_END = "reply_end"  # agent: its last frame is published (or flushed, see data.cause)
    AGENT_STATE = "agent_state"  # agent: data.state, data.cause
    TRANSCRIPT = "transcript"  # agent: data.role (user | agent), data.text, data.final
    TOOL_START = "tool_start"  # agent: it calls a tool; data.id, data.name, data.arguments
    TOOL_END = "tool_end"  # agent: the call of data.id has returned data.result, or failed with data.error
    INTERRUPT = "interrupt"  # a person's page → agent: stop speaking now (the button)
    TRACE_END = "trace_end"  # probe → agent: the attempt is over, write what you have
    TRACE_WRITTEN = "trace_written"  # agent → probe: data.files stand complete in the capture folder


class ClockKind(StrEnum):
    MONOTONIC = "monotonic"
    PERFORMANCE = "performance.now"
    WALL = "wall"


class Clock(BaseModel):
    """Which clock a time was read from; times are subtracted only within one `id`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(min_length=1, max_length=120)
    kind: ClockKind


class ReplyCause(StrEnum):
    """Why a reply ended (data.cause of reply_end)."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    ERROR = "error"
    EMPTY = "empty"


class Event(BaseModel):
    """The envelope (H-59). `data` carries what only one type has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    v: Literal[1] = SCHEMA_VERSION  # of the schema
    type: EventType
    trace_id: str = Field(pattern=TRACE_ID_PATTERN)  # of this attempt; it names the capture's folder
    run_id: str = Field(max_length=120)  # of the run, as the probe's `trace` said
    case_id: str = Field(max_length=120)  # of the case, likewise
    attempt: int = Field(ge=1)  # 1 is the first
    seq: int = Field(ge=0)  # counts the sender's events within the attempt
    t_ms: float = Field(ge=0)  # when it happened, on `clock`
    clock: Clock  # which clock the sender read
    sender: str = Field(max_length=120)  # who says it
    reply_seq: int | None = Field(
        default=None, ge=0
    )  # which reply of the agent's, from 0; reply_start and reply_end need it
    data: dict[str, Any] = Field(default_factory=dict)

    @field_validator("v", "attempt", "seq", "t_ms", "reply_seq", mode="before")
    @classmethod
    def _number_as_written(cls, value: Any) -> Any:
        if isinstance(value, str | bytes | bool):  # pydantic would convert it; the schema, and so the page, refuses it
            raise ValueError("must be a number")
        return value

    @field_validator("t_ms")
    @classmethod
    def _finite(cls, value: float) -> float:
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("t_ms must be finite")
        return value

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


class EventError(ValueError):
    """A packet on our topic that is no event of this schema."""


def parse_event(payload: bytes) -> Event:
    """The event in `payload`. Raises EventError with a short reason (too long, not JSON, which field)."""
    if len(payload) > MAX_EVENT_BYTES:
        raise EventError(f"event of {len(payload)} bytes, the limit is {MAX_EVENT_BYTES}")
    try:
        event = Event.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "event"
        raise EventError(f"{place}: {first['msg']}") from error
    if event.type in (EventType.REPLY_START, EventType.REPLY_END) and event.reply_seq is None:
        raise EventError(f"reply_seq: missing in {event.type}")
    return event


def is_trace_id(text: str) -> bool:
    return re.fullmatch(TRACE_ID_PATTERN, text) is not None


def event_json_schema() -> dict[str, Any]:
    """The JSON schema of an event, from which the page's copy is written."""
    return Event.model_json_schema()


AGENT_TRACE_VERSION: Literal[1] = 1


class TurnTimes(BaseModel):
    """When each step of a turn happened at the agent, ms on the trace's clock; None: did not happen (R-40)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    user_speech_start: float | None = None
    user_eot: float | None = None  # arrival of the last voiced 10 ms of the user, as the agent received it
    vad_silent: float | None = None  # the voice activity detector's first silent window after `user_eot`
    prepare: float | None = None  # work on a reply began, before the end of turn was decided
    vad_end: float | None = None  # the end of turn was decided
    stt_done: float | None = None
    llm_first_token: float | None = None
    llm_first_segment: float | None = None
    tts_request: float | None = None
    tts_first_pcm: float | None = None
    first_publish: float | None = None  # first frame of the reply handed to WebRTC
    tts_done: float | None = None
    reply_end: float | None = None
    cancel: float | None = None


class AgentTurnTrace(BaseModel):
    """One line of agent_trace.jsonl: one turn as the agent saw it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    v: Literal[1] = AGENT_TRACE_VERSION
    trace_id: str = Field(pattern=TRACE_ID_PATTERN)
    reply_seq: int | None = Field(default=None, ge=0)  # None: the turn led to no reply; `cause` says why
    clock: Clock
    t: TurnTimes
    pre_start_sample: int | None = None  # where this reply stands in pre_rtc.wav (48 kHz)
    pre_end_sample: int | None = None
    cause: ReplyCause | None = None
    vad_hangover_ms: float
    hangover_because: str = ""  # the turn detector's reason for this turn's hangover
    speculative: bool = False  # it may become audible before its own hangover has passed
    prepared: bool = False  # steps were done ahead of `vad_end`; none was audible before it
    held_ms: float = 0.0  # the reply paused for what proved to be no interruption
    user_text: str = ""
    reply_text: str = ""
    claim: str = ""  # what the agent's own framework calls the latency that it reports; "": it reports none
    claimed_latency_ms: float | None = (
        None  # that figure for this turn; None: missing, where `claim` says that it reports one
    )
    underruns: int = 0
    starved_ms: float | None = None  # how long WebRTC had nothing to send, because the publisher came late
    slow_lane: dict[str, Any] | None = (
        None  # transcript and paralinguistics of the user's turn, or why they were skipped
    )
    degraded: list[str] = Field(
        default_factory=list
    )  # what did not work as configured (an engine fell back); any: DEGRADED
    transitions: list[tuple[float, str, str]] = Field(default_factory=list)  # (t_ms, state entered, cause)
