"""The probe: a second listener in the room, and the voice of the harness on the data channel.

It subscribes to the agent's and the user's audio, records both (see `bots.timeline`), sends the user-side events and
receives the agent's. It computes nothing about the sound. Identities: the user's is given; everybody else but the probe
is taken for the agent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict
from livekit import rtc

from bots.connection import CONNECT_TIMEOUT_S, joined
from bots.timeline import FRAME_MS, RATE_HZ, ProbeRecording, Take, place_on_one_clock
from harness.model.events import TOPIC, Clock, ClockKind, Event, EventError, EventType, parse_event

log = logging.getLogger(__name__)

AGENT, USER = "agent", "user"
STATS_TIMEOUT_S = 2.0
SEND_TIMEOUT_S = 3.0


def mono_ms() -> float:
    return time.monotonic() * 1e3


class NotSentError(Exception):
    """An event could not be put on the data channel; says why."""


@dataclass(frozen=True)
class Identity:
    """What every event of this attempt carries."""

    trace_id: str
    run_id: str
    case_id: str
    attempt: int
    clock: Clock


@dataclass(frozen=True)
class SeenEvent:
    """An event with when and which way it passed the probe."""

    event: Event
    t_mono_ms: float
    direction: str  # sent | received


@dataclass
class Probe:
    """See the module. Waitable facts are asyncio.Events; `on_agent_frame` is called with (arrival ms, int16
    samples).
    """

    identity: Identity
    user_identity: str
    room: rtc.Room = field(default_factory=rtc.Room)
    on_agent_frame: Callable[[float, np.ndarray], None] | None = None
    seen: list[SeenEvent] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    takes: list[Take] = field(default_factory=list)
    agent_present: asyncio.Event = field(default_factory=asyncio.Event)
    agent_gone: asyncio.Event = field(default_factory=asyncio.Event)
    agent_frame: asyncio.Event = field(default_factory=asyncio.Event)
    user_frame: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    _tracks: dict[str, rtc.Track] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _sent: int = 0
    _leaving: bool = False

    @asynccontextmanager
    async def in_room(self, url: str, token: str, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[Probe]:
        """Joined, listening; on the way out every stream is closed. Raises RoomJoinError."""
        self.room.on("track_subscribed", self._track_subscribed)
        self.room.on("participant_connected", self._participant_connected)
        self.room.on("participant_disconnected", self._participant_disconnected)
        self.room.on("data_received", self._data_received)
        self.room.on("disconnected", lambda *_: self.disconnected.set())
        async with joined(self.room, url, token, auto_subscribe=True, timeout_s=timeout_s):
            for participant in self.room.remote_participants.values():
                self._participant_connected(participant)
            try:
                yield self
            finally:
                self._leaving = True
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    # what happens in the room

    def _who(self, identity: str) -> str:
        return USER if identity == self.user_identity else AGENT

    def _participant_connected(self, participant: rtc.RemoteParticipant) -> None:
        if self._who(participant.identity) == AGENT:
            self.agent_gone.clear()
            self.agent_present.set()

    def _participant_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        if self._who(participant.identity) == AGENT and not self._leaving:
            self.agent_present.clear()
            self.agent_gone.set()

    def _track_subscribed(self, track: rtc.Track, _pub: Any, participant: rtc.RemoteParticipant) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        task = asyncio.create_task(self._record(track, self._who(participant.identity)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record(self, track: rtc.Track, who: str) -> None:
        take = Take(who)
        self.takes.append(take)
        self._tracks[who] = track
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=int(FRAME_MS))
        arrived = self.agent_frame if who == AGENT else self.user_frame
        try:
            async for event in stream:
                t_ms = mono_ms()
                samples = np.frombuffer(event.frame.data, np.int16).copy()
                take.add(t_ms, samples)
                arrived.set()
                if who == AGENT and self.on_agent_frame is not None:
                    self.on_agent_frame(t_ms, samples)
        finally:
            await stream.aclose()

    # events

    def _data_received(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        t_ms = mono_ms()
        try:
            event = parse_event(packet.data)
        except EventError as error:
            self.rejected.append(str(error))
            log.warning("an event was rejected: %s", error)
            return
        if event.trace_id != self.identity.trace_id:
            self.rejected.append(f"event {event.type} of another trace: {event.trace_id}")
            return
        self.seen.append(SeenEvent(event, t_ms, "received"))
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def send(self, event_type: EventType, **data: Any) -> None:
        """Send one user-side event, reliably. Raises NotSentError."""
        event = Event(
            type=event_type,
            trace_id=self.identity.trace_id,
            run_id=self.identity.run_id,
            case_id=self.identity.case_id,
            attempt=self.identity.attempt,
            seq=self._sent,
            t_ms=mono_ms(),
            clock=self.identity.clock,
            sender="probe",
            data=data,
        )
        self._sent += 1
        sent = SeenEvent(event, mono_ms(), "sent")
        self.seen.append(sent)  # ahead of its answer, which may be here before the sending is confirmed
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self.room.local_participant.publish_data(event.to_bytes(), reliable=True, topic=TOPIC)
        except BaseException as error:
            self.seen.remove(sent)
            if isinstance(error, TimeoutError):
                raise NotSentError(f"{event_type} was not sent within {SEND_TIMEOUT_S:g} s") from error
            if isinstance(error, rtc.participant.PublishDataError):  # the connection is being restored, or gone
                raise NotSentError(f"{event_type} was not sent: {error}") from error
            raise

    def received(self, event_type: EventType) -> list[SeenEvent]:
        return [s for s in self.seen if s.direction == "received" and s.event.type == event_type]

    async def wait_for(self, event_type: EventType, timeout_s: float) -> Event:
        """The first event of this type, already here or to come. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: bool(self.received(event_type)))
        return self.received(event_type)[0].event

    # what it brings home

    def recording(self) -> ProbeRecording:
        return place_on_one_clock(self.takes, arrivals_of=AGENT)

    async def stats(self) -> list[dict[str, Any]]:
        """WebRTC's statistics of the agent's track at the probe; empty before there is one. Raises TimeoutError."""
        track = self._tracks.get(AGENT)
        if track is None:
            return []
        async with asyncio.timeout(STATS_TIMEOUT_S):
            stats = await track.get_stats()
        return [MessageToDict(item, preserving_proto_field_name=True) for item in stats]


def host_clock(host_id: str) -> Clock:
    """The host's CLOCK_MONOTONIC, which all processes of one machine share on Linux."""
    return Clock(id=host_id, kind=ClockKind.MONOTONIC)
