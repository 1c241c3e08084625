"""The agent in one room: joins, hears the user, publishes its voice, sends events, leaves its trace.

It owns the room's tasks: the publisher, the listener, the sender of events. `Conversation` decides who speaks when. No task
outlives `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc

from harness.model.events import TOPIC, AgentTurnTrace, Event, EventType
from runtime.audio.pre_rtc import PreRtcTap
from runtime.audio.publisher import QUEUE_MS, RATE_HZ, Publisher
from runtime.call.captions import Captions
from runtime.call.conversation import Conversation
from runtime.call.duplex_controller import Cause
from runtime.call.inbox import Inbox
from runtime.call.outbox import to_packet
from runtime.call.room_access import agent_token, load_filter, nobody_publishes, publish_options
from runtime.engines.engine_set import RoomEngines
from runtime.settings import RuntimeSettings
from runtime.trace import PRE_RTC, Trace, TurnRecord, now_ms

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
UNPUBLISH_TIMEOUT_S = 1.0
OTHERS_TIMEOUT_S = 1.0  # for others to stop publishing, once the agent's track is gone
DISCONNECT_TIMEOUT_S = 3.0
INPUT_HZ = 16_000
INPUT_FRAME_MS = 10


@dataclass
class RoomAgent:
    """`run` joins, serves until `leave`, and cleans up. `joined` is set when its track is published."""

    settings: RuntimeSettings
    engines: RoomEngines
    room_name: str
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    _room: rtc.Room = field(default_factory=rtc.Room)
    _leave: asyncio.Event = field(default_factory=asyncio.Event)
    _tap: PreRtcTap = field(default_factory=PreRtcTap)
    _outbox: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _captions: Captions = field(default_factory=Captions)
    _user: str | None = None
    _wanted_user: str | None = None
    _written: bool = False
    _group: asyncio.TaskGroup | None = None
    _listeners: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.room_name)
        self._trace = Trace(self.settings.captures, self.settings.taking.silence_ms)

    @property
    def turns(self) -> list[TurnRecord]:
        return self._trace.turns

    def records(self) -> list[AgentTurnTrace]:
        """One record a turn, of the call so far."""
        return self._trace.lines(self._talk.control.history) if self._trace.turns else []

    def leave(self) -> None:
        self._leave.set()

    async def run(self) -> None:
        """Raises rtc.ConnectError, TimeoutError if the room cannot be joined."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        self._talk = self._make_conversation(source)
        self._room.on("track_subscribed", self._track_subscribed)
        self._room.on("data_received", self._data_received)
        self._room.on("participant_disconnected", lambda _: self._leave_if_alone())
        self._room.on("disconnected", lambda *_: self._leave.set())
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [group.create_task(self._send_events()), group.create_task(self._talk.publisher.run())]
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._room.connect(self.settings.livekit_url, agent_token(self.settings, self.room_name))
                    track = rtc.LocalAudioTrack.create_audio_track("agent-voice", source)
                    published = await self._room.local_participant.publish_track(track, publish_options(self.settings))
                self._captions.agent_track = published.sid
                tasks.append(group.create_task(self._captions.run(self._room)))
                self.joined.set()
                await self._leave.wait()
                await self._talk.stop_turn(Cause.LEAVING)
                for task in (*tasks, *self._listeners):
                    task.cancel()
        finally:
            self._write_files()
            await self._close(source)

    def _make_conversation(self, source: rtc.AudioSource) -> Conversation:
        hooks = (self.settings.audio_filter_pre, self.settings.audio_filter_post)
        filters = [load_filter(name, self.room_name) for name in hooks]
        publisher = Publisher(source, self._tap)
        if filters[0] is not None:
            publisher.filter_pre = filters[0]
        if filters[1] is not None:
            publisher.filter_post = filters[1]
        taking = self.settings.taking
        return Conversation(self.engines, publisher, self._tap, self._trace, self._emit, taking, self.room_name)

    async def _close(self, source: rtc.AudioSource) -> None:
        await self._talk.close()
        if self._room.isconnected():
            await self._unpublish()
            await nobody_publishes(self._room, OTHERS_TIMEOUT_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await self._room.disconnect()
        await source.aclose()

    async def _unpublish(self) -> None:
        """Unpublish first: a participant that sees the track gone can leave without keeping its memory (`nobody_publishes`)."""
        me = self._room.local_participant
        with contextlib.suppress(TimeoutError, rtc.participant.UnpublishTrackError):
            async with asyncio.timeout(UNPUBLISH_TIMEOUT_S):
                for sid in list(me.track_publications):
                    await me.unpublish_track(sid)

    # the room

    def _track_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO or participant.attributes.get("role") in ("probe", "agent"):
            return
        if self._user not in (None, participant.identity):
            return
        if self._wanted_user not in (None, participant.identity):
            return
        self._user, self._captions.user_track = participant.identity, publication.sid
        listener = self._start(self._listen(track))
        if listener is not None:
            self._listeners.append(listener)

    def _leave_if_alone(self) -> None:
        people = [p for p in self._room.remote_participants.values() if p.attributes.get("role") != "probe"]
        if not people and not self._trace.adopted:
            self._leave.set()

    def _data_received(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        sender = packet.participant.identity if packet.participant is not None else ""
        event = self._inbox.take(packet.data, sender, now_ms() / 1e3)
        if event is None:
            return
        if event.type is EventType.TRACE:
            self._adopt(event)
        elif event.trace_id != self._trace.trace_id:
            log.warning("room %s: an event of another trace was ignored", self.room_name)
        elif event.type is EventType.PROBE_READY:
            self._emit(EventType.AGENT_READY)
        elif event.type is EventType.INTERRUPT and sender == self._user:
            self._start(self._talk.stop_turn(Cause.BUTTON))
        elif event.type is EventType.TRACE_END:
            self._start(self._finish_trace())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """None once the agent has left its call: the room still tells of it while the connection ends."""
        assert self._group is not None
        try:
            return self._group.create_task(work)
        except RuntimeError:  # the group is over
            work.close()
            return None

    def _adopt(self, event: Event) -> None:
        first = not self._trace.adopted
        if not self._trace.adopt(event):
            return
        if first:
            wanted = event.data.get("user")
            self._wanted_user = wanted if isinstance(wanted, str) else None
            folder = self._trace.folder()
            if folder is not None:
                try:
                    self._tap.open(folder / PRE_RTC)
                except OSError as error:
                    log.error("pre_rtc.wav cannot be written: %s", error)
        self._emit(EventType.TRACE_ACK)

    def _emit(self, event_type: EventType, *, reply_seq: int | None = None, **data: object) -> None:
        event = self._trace.event(event_type, reply_seq=reply_seq, **data)
        self._outbox.put_nowait(event)
        if event_type is EventType.TRANSCRIPT:
            self._captions.say(event)

    async def _send_events(self) -> None:
        await self.joined.wait()
        while True:
            event = await self._outbox.get()
            packet = to_packet(event)
            try:
                if packet is not None:
                    await self._room.local_participant.publish_data(packet, reliable=True, topic=TOPIC)
            except (
                rtc.participant.PublishDataError
            ) as error:  # the connection is being restored; the call itself goes on
                log.warning("room %s: %s was not sent: %s", self.room_name, event.type.value, error)

    # listening

    async def _listen(self, track: rtc.Track) -> None:
        self._talk.listen()
        stream = rtc.AudioStream(track, sample_rate=INPUT_HZ, num_channels=1, frame_size_ms=INPUT_FRAME_MS)
        try:
            async for item in stream:
                await self._talk.hear(np.frombuffer(item.frame.data, np.int16), now_ms())
        finally:
            await self._talk.track_ended()
            await stream.aclose()

    # the trace

    async def _finish_trace(self) -> None:
        await self._talk.stop_turn(Cause.LEAVING)
        files = self._write_files()
        self._emit(EventType.TRACE_WRITTEN, files=files)

    def _write_files(self) -> list[str]:
        """Called at trace_end and again in `finally`; written files stay."""
        if self._written:
            return []
        self._written = True
        files: list[str] = []
        writers: tuple[Callable[[], list[str]], ...] = (
            lambda: [path.name for path in [self._tap.close()] if path is not None],
            lambda: self._trace.write(self._talk.control.history),
        )
        for write in writers:
            try:
                files += write()
            except OSError as error:
                log.error("room %s: a recording cannot be written: %s", self.room_name, error)
        return files
