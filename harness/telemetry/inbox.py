"""What came by OpenTelemetry during a run, and which call each span belongs to.

A batch that came by a call's own path (`/ROOM/v1/traces`) is that call's; so is a trace one of whose spans names the call's
room, by its name or its sid. What names no room belongs to the call in whose time it lies, where only one call was
open then. A span of another call, or of a library that tells nothing of turns, is left out and counted.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.model.spans import KNOWN_SCOPES, LIVEKIT_SCOPE, SpanLine
from harness.telemetry.messages import Arrival, RefusedError, spans_of

MOST_HELD_BYTES = 32 << 20
MOST_SPANS = 20_000  # of one call
MOST_REFUSALS = 1_000
MOST_TRACES = 10_000
ROOM_KEYS = (
    "lk.pii.room_name",
    "lk.room_name",
    "conversation.id",
)  # conversation.id: Pipecat's, if it is given the room
SID_KEYS = ("gen_ai.conversation.id", "lk.room_sid", "room_id")
ROOTS = {"agent_session", "conversation"}  # the span of each framework that ends last
SLACK_NS = 2_000_000_000  # a span may begin before the call, and end after it
OTHER_CALL, OTHER_LIBRARY, NO_SPAN, TOO_MANY = "of other calls", "of other libraries", "malformed", "above 20,000"


@dataclass(frozen=True)
class CallWindow:
    """A call that spans may belong to. `sid`: the media server's id of the room. `alone`: no other call was open beside it."""

    room: str
    sid: str
    began_unix_ns: int
    ended_unix_ns: int
    alone: bool


@dataclass(frozen=True)
class Batch:
    request: ExportTraceServiceRequest
    arrival: Arrival
    room: str | None  # by whose path it came
    n_bytes: int


@dataclass(frozen=True)
class Told:
    """What a call was told. `left_out`: spans by reason; `refused`: batches by reason."""

    spans: tuple[SpanLine, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def incomplete(self) -> bool:
        """Whether a span of the agent's own may be among what was not kept."""
        return bool(self.refused) or any(why in self.left_out for why in (NO_SPAN, TOO_MANY))

    @property
    def in_words(self) -> str:
        """One line for the report; empty where nothing came."""
        if not (self.spans or self.left_out or self.refused):
            return ""
        parts = [f"{len(self.spans)} spans of the agent came by OpenTelemetry"]
        if self.left_out:
            parts.append("left out: " + ", ".join(f"{n} {why}" for why, n in sorted(self.left_out.items())))
        if self.refused:
            parts.append(
                "refused: " + ", ".join(f"{n} {_batches(n)} ({why})" for why, n in sorted(self.refused.items()))
            )
        return "; ".join(parts)


def _batches(n: int) -> str:
    return "batch" if n == 1 else "batches"


class Inbox:
    """Filled by the receiver, emptied call by call, perhaps from another thread."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._refused: list[tuple[str | None, str]] = []
        self._rooms: dict[str, str] = {}  # OpenTelemetry's trace → the room that one of its spans named
        self._open: set[str] = set()
        self._beside: set[str] = set()  # rooms that had another call beside them
        self._held_bytes = 0
        self._lock = threading.Lock()

    def open(self, room: str) -> None:
        """A call begins."""
        with self._lock:
            self._open.add(room)
            if len(self._open) > 1:
                self._beside |= self._open

    def put(self, batch: Batch) -> None:
        """Raises RefusedError where too much is held already."""
        with self._lock:
            if self._held_bytes + batch.n_bytes > MOST_HELD_BYTES:
                raise RefusedError(f"more than {MOST_HELD_BYTES >> 20} MiB at once", 503)
            self._batches.append(batch)
            self._held_bytes += batch.n_bytes

    def refuse(self, room: str | None, why: str) -> None:
        with self._lock:
            if len(self._refused) < MOST_REFUSALS:
                self._refused.append((room, why))

    def is_complete(self, window: CallWindow) -> bool:
        """Whether a span that ends with the whole session is there."""
        with self._lock:
            batches = list(self._batches)
        return any(span.name in ROOTS for span in self._sorted(batches, window)[0])

    def take(self, window: CallWindow) -> Told:
        """The call's own spans, in the order of their starts; it is closed then. What no open call can own is let go."""
        with self._lock:
            batches = list(self._batches)
        spans, left_out = self._sorted(batches, window)
        with self._lock:
            self._open.discard(window.room)
            own = {None, window.room} if not self._open else {window.room}
            refused = Counter(why for room, why in self._refused if room in own)
            self._refused = [(room, why) for room, why in self._refused if room not in own]
            done = {id(batch) for batch in batches if batch.room in own}
            self._batches = [batch for batch in self._batches if id(batch) not in done]
            self._held_bytes = sum(batch.n_bytes for batch in self._batches)
        spans.sort(key=lambda span: (span.start_unix_ns, span.span_id))
        if len(spans) > MOST_SPANS:
            left_out[TOO_MANY] += len(spans) - MOST_SPANS
        return Told(tuple(spans[:MOST_SPANS]), dict(left_out), dict(refused))

    def was_alone(self, room: str) -> bool:
        with self._lock:
            return room not in self._beside

    def _sorted(self, batches: Iterable[Batch], window: CallWindow) -> tuple[list[SpanLine], Counter[str]]:
        left_out = Counter[str]()
        known: list[tuple[SpanLine, str | None]] = []
        for batch in batches:
            if batch.room not in (None, window.room):
                continue
            for span in spans_of(batch.request, batch.arrival):
                if span is None:
                    left_out[NO_SPAN] += 1
                elif span.scope not in KNOWN_SCOPES:
                    left_out[OTHER_LIBRARY] += 1
                else:
                    known.append((span, batch.room))
        for span, _ in known:
            named = room_named(span, window)
            if named is not None:
                self._rooms[span.trace_id] = named
        while len(self._rooms) > MOST_TRACES:
            del self._rooms[next(iter(self._rooms))]
        spans = []
        for span, by_path in known:
            room = self._rooms.get(span.trace_id)
            if room is None:
                room = by_path or (window.room if window.alone and _within(span, window) else "")
            if room == window.room:
                spans.append(span)
            else:
                left_out[OTHER_CALL] += 1
        return spans, left_out


def room_named(span: SpanLine, window: CallWindow) -> str | None:
    """The room that the span names: the window's, or any other text; None where it names none that can be told from a free id."""
    names, sids = ([span.text(key) for key in keys] for keys in (ROOM_KEYS, SID_KEYS))
    if window.room in names or (window.sid and window.sid in sids):
        return window.room
    if span.scope != LIVEKIT_SCOPE:  # an id that the agent made up says nothing of the room
        return None
    return next((name for name in (*names, *sids) if name), None)


def _within(span: SpanLine, window: CallWindow) -> bool:
    return span.end_unix_ns >= window.began_unix_ns - SLACK_NS and span.start_unix_ns <= window.ended_unix_ns + SLACK_NS
