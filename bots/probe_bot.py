"""The probe: a second listener in the room, and the voice of the harness on the data channel.

It subscribes to the agent's and the user's audio, records both (see `bots.timeline`), sends the user-side events and
receives the agent's. It computes nothing about the sound but who speaks (`bots.roster`): the user's identity is given, and
any other speaker is the agent, unless the agent is named.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from livekit import rtc

from bots.connection import CONNECT_TIMEOUT_S, joined
from bots.roster import AGENT_STATE, ON_BEHALF, VOICE_DBFS, Roster
from bots.timeline import BACKGROUND, FRAME_MS, RATE_HZ, ProbeRecording, Take, place_on_one_clock
from bots.track_stats import stats_of, waiting_ms
from bots.transcripts import Transcripts
from harness.model.events import TOPIC, Clock, ClockKind, Event, EventError, EventType, parse_event
from harness.model.transcript import Speaker

log = logging.getLogger(__name__)

PROBE_IDENTITY: Final = "probe"  # its own in every room: no two participants share one
AGENT: Final = "agent"
USER: Final = "user"
OTHER: Final = "other"
ROOM_ENDED = (rtc.DisconnectReason.ROOM_DELETED, rtc.DisconnectReason.ROOM_CLOSED)
SEND_TIMEOUT_S = 3.0
STALE_MS = 1_000.0  # a track without frames for this long does not sound now


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
    """An event, and its time and direction at the probe."""

    event: Event
    t_mono_ms: float
    direction: str  # sent | received


@dataclass
class Probe:
    """See the module. Waitable facts are asyncio.Events; `on_agent_frame` is called with (track, arrival ms, int16 samples),
    `on_change` after each change of the participants, or of the agent's state.
    """

    identity: Identity
    user_identity: str
    room: rtc.Room = field(default_factory=rtc.Room)
    roster: Roster = field(default_factory=Roster)
    on_agent_frame: Callable[[str, float, np.ndarray], None] | None = None
    on_change: Callable[[], None] | None = None
    seen: list[SeenEvent] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    takes: list[Take] = field(default_factory=list)
    joined_mono_ms: float | None = None  # when it was in the room
    agent_present: asyncio.Event = field(default_factory=asyncio.Event)
    agent_gone: asyncio.Event = field(default_factory=asyncio.Event)
    second_agent: asyncio.Event = field(default_factory=asyncio.Event)
    agent_frame: asyncio.Event = field(default_factory=asyncio.Event)
    user_frame: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)  # our own connection
    room_ended: asyncio.Event = field(
        default_factory=asyncio.Event
    )  # somebody ended the call for the user: `ended_how`
    ended_how: str = ""
    user_left: str | None = None  # why, while the user is not in the room any more
    disconnect_reason: str = ""
    broken: asyncio.Event = field(
        default_factory=asyncio.Event
    )  # a fault of ours: it records no more, see `broken_why`
    broken_why: str = ""
    transcripts: Transcripts = field(init=False)
    others: set[str] = field(default_factory=set)  # sids of audio tracks that are neither the user's nor the agent's
    _tracks: list[tuple[Take, rtc.Track]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _recording: dict[str, tuple[str, asyncio.Task[None]]] = field(default_factory=dict)  # track's sid → whose, its task
    _over: set[str] = field(default_factory=set)  # sids of tracks that are gone; what is on its way of them still comes
    _last_stats: list[dict[str, Any]] = field(default_factory=list)  # of the agent's voice
    _sent: int = 0
    _leaving: bool = False

    def __post_init__(self) -> None:
        self.transcripts = Transcripts(self._speaker_of)

    @asynccontextmanager
    async def in_room(self, url: str, token: str, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[Probe]:
        """Joined and recording; every stream is closed at the end. Raises RoomJoinError."""
        self.room.on("track_published", self._track_published)
        self.room.on("track_subscribed", self._track_subscribed)
        self.room.on("track_unsubscribed", self._track_unsubscribed)
        self.room.on("participant_connected", self._participant_connected)
        self.room.on("participant_disconnected", self._participant_disconnected)
        self.room.on("participant_attributes_changed", lambda _, participant: self._participant_connected(participant))
        self.room.on("data_received", self._data_received)
        self.room.on("disconnected", self._disconnected)
        self.transcripts.listen_to(self.room)
        async with joined(self.room, url, token, auto_subscribe=True, timeout_s=timeout_s):
            self.joined_mono_ms = mono_ms()
            for participant in self.room.remote_participants.values():
                self._participant_connected(participant)
            try:
                yield self
            finally:
                self._leaving = True
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self.transcripts.aclose()

    # who is in the room

    def _speaker_of(self, track_sid: str, identity: str) -> Speaker:
        """Whose words a text is: of the participant whose track it names, else of the one that it came from."""
        for participant in self.room.remote_participants.values():
            if track_sid and track_sid in participant.track_publications:
                identity = participant.identity
        return USER if identity == self.user_identity else AGENT if self._who(identity) == AGENT else OTHER

    def _who(self, identity: str) -> str:
        if identity == self.user_identity:
            return USER
        return AGENT if self.roster.heard_as_agent(identity) else OTHER

    def _participant_connected(self, participant: rtc.RemoteParticipant) -> None:
        """A participant joined, or its attributes changed."""
        if participant.identity == self.user_identity:
            self.user_left = None
        else:
            kind = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
            behalf = participant.attributes.get(ON_BEHALF, "")
            self.roster.came(participant.identity, is_agent_kind=kind, on_behalf_of=behalf)
            for publication in participant.track_publications.values():
                self._track_published(publication, participant)
        self._look_round()

    def _participant_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.disconnect_reason in ROOM_ENDED and not self._leaving:  # our own leave may come later
            self._call_ended("deleted the room")
        self._over |= {sid for sid, (who, _) in self._recording.items() if who == participant.identity}
        if participant.identity == self.user_identity:
            self._user_gone(participant.disconnect_reason)
        else:
            self.roster.left(participant.identity)
        self._look_round()

    def _user_gone(self, reason: Any) -> None:
        self.user_left = reason_in_words(reason)
        if reason == rtc.DisconnectReason.PARTICIPANT_REMOVED and not self._leaving:
            self._call_ended("removed the user from the room")

    def _call_ended(self, how: str) -> None:
        self.ended_how = self.ended_how or how
        self.room_ended.set()

    def _track_published(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if publication.kind != rtc.TrackKind.KIND_AUDIO or participant.identity == self.user_identity:
            return
        self.roster.published(participant.identity)
        if self._who(participant.identity) == OTHER:
            self.others.add(publication.sid)
        self._look_round()

    def _look_round(self) -> None:
        if self._leaving:
            return
        if self.roster.agent_present:
            self.agent_gone.clear()
            self.agent_present.set()
        elif self.agent_present.is_set():
            self.agent_present.clear()
            self.agent_gone.set()
        if self.roster.second_agent is not None:
            self.second_agent.set()
        else:
            self.second_agent.clear()
        if self.on_change is not None:
            self.on_change()

    @property
    def agent_state(self) -> str | None:
        """The state that the agent sets (`lk.agent.state`: listening, thinking, speaking, …); None if it sets none."""
        agent = self.room.remote_participants.get(self.roster.agent or "")
        return agent.attributes.get(AGENT_STATE) if agent is not None else None

    @property
    def user_muted(self) -> bool:
        """The user's microphone is published and muted: nothing of it comes until it is opened."""
        user = self.room.remote_participants.get(self.user_identity)
        publications = user.track_publications.values() if user is not None else []
        own = [publication for publication in publications if publication.kind == rtc.TrackKind.KIND_AUDIO]
        return bool(own) and all(publication.muted for publication in own)

    @property
    def agent_has_track(self) -> bool:
        return any(seat.has_audio and self.roster.heard_as_agent(seat.identity) for seat in self.roster.seats.values())

    def _disconnected(self, reason: Any) -> None:
        self.disconnect_reason = reason_in_words(reason)
        if self._leaving:
            return
        if reason in ROOM_ENDED:
            self._call_ended("deleted the room")
        else:
            self.disconnected.set()

    @property
    def lost_why(self) -> str:
        because = f" ({self.disconnect_reason})" if self.disconnect_reason else ""
        return f"the probe lost its connection to the media server{because}"

    # its audio

    def _track_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        self._track_published(publication, participant)
        source = rtc.TrackSource.Name(publication.source).removeprefix("SOURCE_").lower()
        take = Take(self._who(participant.identity), publication.sid, publication.name, source)
        self._end_what_is_over()
        task = asyncio.create_task(self._record(track, take, participant.identity))
        self._recording[publication.sid] = (participant.identity, task)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _track_unsubscribed(
        self, _: rtc.Track, publication: rtc.RemoteTrackPublication, __: rtc.RemoteParticipant
    ) -> None:
        self._over.add(publication.sid)

    def _end_what_is_over(self) -> None:
        """WebRTC receives a new track in the place of one that is gone, and gives it to the old one's stream as well."""
        for sid in self._over & self._recording.keys():
            self._recording.pop(sid)[1].cancel()
            self._over.discard(sid)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = task.exception() if not task.cancelled() else None
        if error is not None:
            log.error("the probe cannot go on", exc_info=error)
            self.broken_why = f"the probe stopped recording: {type(error).__name__}: {error}"
            self.broken.set()

    async def _record(self, track: rtc.Track, take: Take, identity: str) -> None:
        self.takes.append(take)
        self._tracks.append((take, track))
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=int(FRAME_MS))
        arrived = {AGENT: self.agent_frame, USER: self.user_frame}.get(take.who)
        try:
            async for event in stream:
                t_ms = mono_ms()
                samples = np.frombuffer(event.frame.data, np.int16).copy()
                loud = take.add(t_ms, samples) > VOICE_DBFS
                if arrived is not None:
                    arrived.set()
                if take.who == AGENT:
                    self._heard(identity, take, t_ms, samples, loud)
        finally:
            await stream.aclose()

    def _heard(self, identity: str, take: Take, t_ms: float, samples: np.ndarray, loud: bool) -> None:
        if loud:
            speakers = len(self.roster.speakers)
            take.loud_frames += 1
            self.roster.sounded(identity, 1e3 * len(samples) / RATE_HZ)
            if len(self.roster.speakers) != speakers:
                self._look_round()
        if self.on_agent_frame is not None:
            self.on_agent_frame(take.sid, t_ms, samples)

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
        task.add_done_callback(self._ended)

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
        self.seen.append(sent)  # at once: the answer may come before the sending is confirmed
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

    # its record

    async def agent_delivered(self) -> int | None:
        """How many samples of the agent's voice have come to this listener: the recorded ones, and those that still wait in
        its jitter buffer. None if no voice of it was heard.
        """
        voice = self._voice_of_agent()
        if voice is None:
            return None
        take, track = voice
        recorded = take.n_samples
        with suppress(TimeoutError):
            self._last_stats = await stats_of(track) or self._last_stats  # the track may be gone already
        return recorded + round(waiting_ms(self._last_stats) * RATE_HZ / 1e3)

    def agent_quiet_ms(self, delivered: int) -> float:
        """How long the agent's voice had been quiet where `delivered` samples of it end."""
        voice = self._voice_of_agent()
        return voice[0].quiet_before_ms(delivered) if voice is not None else 0.0

    def _voice_of_agent(self) -> tuple[Take, rtc.Track] | None:
        voices = [(t, track) for t, track in self._tracks if t.who == AGENT and t.loud_frames and t.name != BACKGROUND]
        return voices[-1] if voices else None

    def recording(self) -> ProbeRecording:
        return place_on_one_clock(self.takes, arrivals_of=AGENT)

    async def stats(self) -> list[dict[str, Any]]:
        """WebRTC's statistics of the agent's voice at the probe; empty before there is one. Raises TimeoutError."""
        voices = [(take, track) for take, track in self._tracks if take.who == AGENT and take.frames]
        latest_ms = max((take.arrivals_ms[-1] for take, _ in voices), default=0.0)
        voices = [item for item in voices if item[0].arrivals_ms[-1] >= latest_ms - STALE_MS]  # a track may be gone
        if not voices:
            return []
        voice = max(voices, key=lambda item: item[0].loud_frames)[1]
        found = await stats_of(voice)
        self._last_stats = found or self._last_stats
        return found


def reason_in_words(reason: Any) -> str:
    """LiveKit's name for the reason of a disconnection; "" for an unknown one."""
    try:
        return str(rtc.DisconnectReason.Name(reason)).lower()
    except (TypeError, ValueError):
        return ""


def host_clock(host_id: str) -> Clock:
    """The host's CLOCK_MONOTONIC, which all processes of one machine share on Linux."""
    return Clock(id=host_id, kind=ClockKind.MONOTONIC)
