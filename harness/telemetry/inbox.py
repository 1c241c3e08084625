"""What came by OpenTelemetry during a run, and which call each span belongs to.

A batch that came by a call's own path (`/ROOM/v1/traces`) is that call's. Otherwise a span is of the room that it names, by name
or sid, or else of the one that its trace names. What names no room belongs to the call in whose time it lies, where only one
call was open then. A span of another call, or of a library that tells nothing of turns, is left out and counted; one that comes
twice counts once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.model.spans import KNOWN_SCOPES, LIVEKIT_SCOPE, ROOM_KEYS, SID_KEYS, SpanLine
from harness.telemetry.messages import Arrival, RefusedError, spans_of

MOST_HELD_BYTES = 32 << 20
MOST_SPANS = 20_000  # of one call
MOST_REASONS = 20
MOST_TRACES = 10_000
SID_PREFIX = "RM_"  # LiveKit's, of a room; another id says nothing of the room
ROOTS = {"agent_session", "conversation"}  # the span of each framework that ends last
SLACK_NS = 2_000_000_000  # a span may begin before the call, and end after it
OTHER_CALL, OTHER_LIBRARY, NO_SPAN, TOO_MANY = "of other calls", "of other libraries", "malformed", "above 20,000"
NO_CALL, OUTSIDE = "that name no call", "outside the call by their own clock"
OTHER_REASONS = "for other reasons"


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
        return bool(self.refused) or any(why in self.left_out for why in (NO_SPAN, TOO_MANY, NO_CALL))

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


@dataclass
class _OpenCall:
    """`since`: how many batches had come when it began, none of which is its own. `beside`: another call was open too."""

    since: int
    beside: bool = False
    refused: Counter[str] = field(default_factory=Counter)


class Inbox:
    """Filled by the receiver, emptied call by call, perhaps from another thread."""

    def __init__(self) -> None:
        self._batches: dict[int, Batch] = {}  # by their number, in the order in which they came
        self._came = 0
        self._open: dict[str, _OpenCall] = {}
        self._taken: dict[str, str] = {}  # OpenTelemetry's trace → the room whose call has taken spans of it
        self._held_bytes = 0
        self._lock = threading.Lock()

    def open(self, room: str) -> None:
        """A call begins."""
        with self._lock:
            self._open[room] = _OpenCall(self._came)
            if len(self._open) > 1:
                for call in self._open.values():
                    call.beside = True

    def put(self, batch: Batch) -> None:
        """Raises RefusedError for the path of a call that is not open, and where too much is held already."""
        with self._lock:
            if batch.room is not None and batch.room not in self._open:
                raise RefusedError("by the path of no open call", 404)
            if self._held_bytes + batch.n_bytes > MOST_HELD_BYTES:
                raise RefusedError(f"more than {MOST_HELD_BYTES >> 20} MiB at once", 503)
            self._batches[self._came] = batch
            self._came += 1
            self._held_bytes += batch.n_bytes

    def refuse(self, room: str | None, why: str) -> None:
        """Counted for the call by whose path it came; without a path it may have been any open call's."""
        with self._lock:
            for call in (call for name, call in self._open.items() if room in (None, name)):
                known = why in call.refused or len(call.refused) < MOST_REASONS
                call.refused[why if known else OTHER_REASONS] += 1

    def is_complete(self, window: CallWindow) -> bool:
        """Whether a span that ends with the whole session is there."""
        with self._lock:
            batches = self._batches_of(window.room)
        return any(_holds_root(batch.request) for batch in batches) and any(
            span.name in ROOTS for span in self._sorted(batches, window)[0]
        )

    def take(self, window: CallWindow) -> Told:
        """The call's own spans, in the order of their starts; it is closed then. What no open call can own is let go."""
        with self._lock:
            batches = self._batches_of(window.room)
            call = self._open.pop(window.room, None)
            self._let_go()
        spans, left_out = self._sorted(batches, window)
        with self._lock:
            self._taken |= dict.fromkeys((span.trace_id for span in spans), window.room)
            while len(self._taken) > MOST_TRACES:
                del self._taken[next(iter(self._taken))]
        spans.sort(key=lambda span: (span.start_unix_ns, span.span_id))
        if len(spans) > MOST_SPANS:
            left_out[TOO_MANY] += len(spans) - MOST_SPANS
        return Told(tuple(spans[:MOST_SPANS]), dict(left_out), dict(call.refused) if call is not None else {})

    def was_alone(self, room: str) -> bool:
        """Of an open call."""
        with self._lock:
            return not self._open[room].beside

    def _batches_of(self, room: str) -> list[Batch]:
        since = self._open[room].since if room in self._open else 0
        return [batch for number, batch in self._batches.items() if number >= since and batch.room in (None, room)]

    def _let_go(self) -> None:
        """Of what came without a path, what came before every open call; of the rest, what is no open call's."""
        since = min((call.since for call in self._open.values()), default=self._came)
        self._batches = {
            number: batch for number, batch in self._batches.items()
            if (number >= since if batch.room is None else batch.room in self._open)
        }  # fmt: skip
        self._held_bytes = sum(batch.n_bytes for batch in self._batches.values())

    def _sorted(self, batches: Iterable[Batch], window: CallWindow) -> tuple[list[SpanLine], Counter[str]]:
        left_out = Counter[str]()
        known: dict[tuple[str, str], tuple[SpanLine, str | None]] = {}
        for batch in batches:
            for told in (scope for resource in batch.request.resource_spans for scope in resource.scope_spans):
                if told.scope.name not in KNOWN_SCOPES:
                    left_out[OTHER_LIBRARY] += len(told.spans)
                    continue
                for span in spans_of(told, batch.arrival):
                    if span is None:
                        left_out[NO_SPAN] += 1
                    else:
                        known.setdefault((span.trace_id, span.span_id), (span, batch.room))
        rooms: dict[str, set[str]] = {}  # that the spans of a trace name
        for span, _ in known.values():
            if (named := room_named(span, window)) is not None:
                rooms.setdefault(span.trace_id, set()).add(named)
        spans = []
        for span, by_path in known.values():
            why_not = "" if by_path is not None else self._why_not(span, window, rooms.get(span.trace_id, set()))
            if why_not:
                left_out[why_not] += 1
            else:
                spans.append(span)
        return spans, left_out

    def _why_not(self, span: SpanLine, window: CallWindow, by_trace: set[str]) -> str:
        """Why a span that came without a path is not this call's; "" where it is. `by_trace`: rooms that its trace names."""
        named = room_named(span, window)
        before = self._taken.get(span.trace_id)
        rooms = {named} if named is not None else by_trace
        if not rooms and before is not None and (span.start_unix_ns < window.began_unix_ns or not window.alone):
            rooms = {before}  # a late span of a call that is over
        if rooms:
            return "" if rooms == {window.room} else NO_CALL if window.room in rooms else OTHER_CALL
        if not _within(span, window):
            return OUTSIDE
        return "" if window.alone else NO_CALL


def _holds_root(request: ExportTraceServiceRequest) -> bool:
    scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
    return any(span.name in ROOTS for scope in scopes if scope.scope.name in KNOWN_SCOPES for span in scope.spans)


def room_named(span: SpanLine, window: CallWindow) -> str | None:
    """The room that the span names: the window's, or another's name or sid; None where it names none that is known for one."""
    names, sids = ([span.text(key) for key in keys] for keys in (ROOM_KEYS, SID_KEYS))
    if window.room in names or (window.sid and window.sid in sids):
        return window.room
    if span.scope != LIVEKIT_SCOPE:  # an id that the agent made up says nothing of the room
        return None
    return next((name for name in (*names, *(sid for sid in sids if sid.startswith(SID_PREFIX))) if name), None)


def _within(span: SpanLine, window: CallWindow) -> bool:
    return span.end_unix_ns >= window.began_unix_ns - SLACK_NS and span.start_unix_ns <= window.ended_unix_ns + SLACK_NS
