"""The agent in one room: hears the user, takes turns, replies, lets itself be interrupted, leaves its trace.

Owns its tasks: the publisher, the listener, one turn at a time. A turn is the cascade STT → dialogue → bridge → TTS →
publisher; cancelling its task cancels all of it, and the publisher's queue is flushed. No task outlives `run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
from livekit import api, rtc

from harness.model.events import TOPIC, Event, EventError, EventType, ReplyCause, parse_event
from runtime.bridge import segments
from runtime.duplex_controller import Cause, DuplexController, State
from runtime.engines.engine_set import RoomEngines
from runtime.engines.protocols import EngineError, Heard, Transcription
from runtime.engines.turn_scope import begin_turn
from runtime.pre_rtc import PreRtcTap
from runtime.publisher import QUEUE_MS, RATE_HZ, AudioFilter, Publisher
from runtime.resampler import StreamingResampler
from runtime.settings import RuntimeSettings
from runtime.trace import PRE_RTC, Trace, TurnRecord, now_ms
from runtime.turn_detector import SpeechEvent, SpeechKind, TurnDetector

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
DISCONNECT_TIMEOUT_S = 3.0
BARGE_IN_SPEECH_MS = 160.0  # shorter is a click or a breath
RESUME_SPEECH_MS = 96.0
INPUT_HZ = 16_000
INPUT_FRAME_MS = 10


def load_filter(name: str | None, room: str) -> AudioFilter | None:
    """`module:factory` → the filter that `factory(rate_hz, room)` makes. Raises ValueError, ImportError,
    AttributeError.
    """
    if name is None:
        return None
    module, separator, factory = name.partition(":")
    if not separator:
        raise ValueError(f"audio filter {name!r}: expected module:factory")
    made: AudioFilter = getattr(importlib.import_module(module), factory)(RATE_HZ, room)
    return made


def publish_options(settings: RuntimeSettings) -> rtc.TrackPublishOptions:
    """One microphone track. Opus's in-band FEC is not the SDK's to set: it is negotiated in SDP."""
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=settings.opus_dtx, red=settings.opus_red
    )
    options.audio_encoding.max_bitrate = settings.opus_bits_per_s
    return options


def agent_token(settings: RuntimeSettings, room: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(settings.api_key, settings.api_secret).with_identity("agent").with_grants(grants)
    return token.with_attributes({"role": "agent"}).with_kind("agent").to_jwt()


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
    _user: str | None = None
    _wanted_user: str | None = None
    _turn: asyncio.Task[None] | None = None
    _transcription: Transcription | None = None
    _reply_seq: int = 0
    _carried_text: tuple[str, ...] = ()
    _written: bool = False
    _group: asyncio.TaskGroup | None = None
    _listeners: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._trace = Trace(self.settings.captures, self.settings.vad_silence_ms)
        self._control = DuplexController(now_ms, self._told)

    def leave(self) -> None:
        self._leave.set()

    async def run(self) -> None:
        """Raises rtc.ConnectError, TimeoutError if the room cannot be joined."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        hooks = (self.settings.audio_filter_pre, self.settings.audio_filter_post)
        filters = [load_filter(name, self.room_name) for name in hooks]
        self._publisher = Publisher(source, self._tap)
        if filters[0] is not None:
            self._publisher.filter_pre = filters[0]
        if filters[1] is not None:
            self._publisher.filter_post = filters[1]
        self._room.on("track_subscribed", self._track_subscribed)
        self._room.on("data_received", self._data_received)
        self._room.on("participant_disconnected", lambda _: self._leave_if_alone())
        self._room.on("disconnected", lambda *_: self._leave.set())
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [group.create_task(self._send_events()), group.create_task(self._publisher.run())]
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._room.connect(self.settings.livekit_url, agent_token(self.settings, self.room_name))
                    track = rtc.LocalAudioTrack.create_audio_track("agent-voice", source)
                    await self._room.local_participant.publish_track(track, publish_options(self.settings))
                self.joined.set()
                await self._leave.wait()
                await self._stop_turn(Cause.LEAVING)
                for task in (*tasks, *self._listeners):
                    task.cancel()
        finally:
            self._write_files()
            await self._close(source)

    async def _close(self, source: rtc.AudioSource) -> None:
        if self._transcription is not None:
            await self._transcription.drop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await self._room.disconnect()
        await source.aclose()

    # the room

    def _track_subscribed(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO or participant.attributes.get("role") in ("probe", "agent"):
            return
        if participant.identity.startswith("probe") or self._user not in (None, participant.identity):
            return
        if self._wanted_user not in (None, participant.identity):
            return
        self._user = participant.identity
        assert self._group is not None
        self._listeners.append(self._group.create_task(self._listen(track)))

    def _leave_if_alone(self) -> None:
        people = [p for p in self._room.remote_participants.values() if p.attributes.get("role") != "probe"]
        if not people and not self._trace.adopted:
            self._leave.set()

    def _data_received(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        try:
            event = parse_event(packet.data)
        except EventError as error:
            log.warning("room %s: an event was rejected: %s", self.room_name, error)
            return
        if event.type is EventType.TRACE:
            self._adopt(event)
        elif event.trace_id != self._trace.trace_id:
            log.warning("room %s: an event of another trace was ignored", self.room_name)
        elif event.type is EventType.PROBE_READY:
            self._emit(EventType.AGENT_READY)
        elif event.type is EventType.TRACE_END:
            assert self._group is not None
            self._group.create_task(self._finish_trace())

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
        self._outbox.put_nowait(self._trace.event(event_type, reply_seq=reply_seq, **data))

    async def _send_events(self) -> None:
        await self.joined.wait()
        while True:
            event = await self._outbox.get()
            await self._room.local_participant.publish_data(event.to_bytes(), reliable=True, topic=TOPIC)

    def _told(self, _: float, state: State, cause: Cause) -> None:
        self._emit(EventType.AGENT_STATE, state=state.value, cause=cause.value)

    # listening

    async def _listen(self, track: rtc.Track) -> None:
        detector = TurnDetector(self.engines.vad.open(), self.settings.vad_silence_ms)
        stream = rtc.AudioStream(track, sample_rate=INPUT_HZ, num_channels=1, frame_size_ms=INPUT_FRAME_MS)
        try:
            async for item in stream:
                frame = np.frombuffer(item.frame.data, np.int16)
                for event in detector.feed(frame, now_ms()):
                    try:
                        await self._heard(event)
                    except EngineError as error:
                        log.error("room %s: %s", self.room_name, error)
                        self._transcription = None
        finally:
            await stream.aclose()

    async def _heard(self, event: SpeechEvent) -> None:
        if event.kind is SpeechKind.STARTED:
            self._transcription = await self.engines.stt.open()
        if self._transcription is not None:
            self._transcription.push(event.audio)
        if self._control.state is State.SPEAKING and event.speech_ms >= BARGE_IN_SPEECH_MS:
            await self._stop_turn(Cause.BARGE_IN)
        elif self._control.state is State.THINKING and event.speech_ms >= RESUME_SPEECH_MS:
            await self._stop_turn(Cause.USER_RESUMED)
        if event.kind is SpeechKind.ENDED:
            await self._end_of_speech(event)

    async def _end_of_speech(self, event: SpeechEvent) -> None:
        transcription, self._transcription = self._transcription, None
        if transcription is None:
            return
        busy = self._control.state is not State.LISTENING
        if not event.is_turn or busy:  # a click, or something too short to interrupt
            await transcription.drop()
            return
        record = TurnRecord(first_transition=len(self._control.history))
        record.t["user_speech_start"] = event.started_ms
        if event.eot_ms is not None:
            record.t["user_eot"] = event.eot_ms
        record.stamp("vad_end")
        self._trace.turns.append(record)
        self._control.go(Cause.END_OF_TURN)
        assert self._group is not None
        self._turn = self._group.create_task(self._reply(record, transcription))

    # replying

    async def _reply(self, record: TurnRecord, transcription: Transcription) -> None:
        """One turn. On cancellation `_stop_turn` has already flushed; here the record is closed."""
        record.scope = begin_turn()
        interrupted = any(turn.cause is ReplyCause.INTERRUPTED for turn in self._trace.turns[:-1])
        try:
            heard = await transcription.finish()
            record.stamp("stt_done")
            record.user_text = " ".join([*self._carried_text, heard.text or " ".join(heard.phrases)]).strip()
            self._emit(EventType.TRANSCRIPT, role="user", text=record.user_text, final=True)
            seq = self._reply_seq
            self._publisher.begin(lambda: self._first_published(record, seq))
            async with aclosing(segments(self._tokens(record, heard, interrupted))) as pieces:
                async for segment in pieces:
                    record.stamp("llm_first_segment")
                    await self._speak(segment, record)
            record.stamp("tts_done")
            self._publisher.end()
            if record.reply_text:
                await self._publisher.played()
                self._close_reply(record, ReplyCause.COMPLETED)
            self._carried_text = ()
            self._control.go(Cause.REPLY_PLAYED if self._control.state is State.SPEAKING else Cause.NO_REPLY)
        except EngineError as error:
            log.error("room %s: the turn failed: %s", self.room_name, error)
            self._publisher.cancel()
            self._close_reply(record, ReplyCause.ERROR)
            if self._control.knows(Cause.NO_REPLY):
                self._control.go(Cause.NO_REPLY)

    async def _tokens(self, record: TurnRecord, heard: Heard, interrupted: bool) -> AsyncGenerator[str]:
        async with aclosing(self.engines.llm.reply(heard, interrupted=interrupted)) as tokens:
            async for token in tokens:
                record.stamp("llm_first_token")
                record.reply_text += token
                yield token

    async def _speak(self, segment: str, record: TurnRecord) -> None:
        record.stamp("tts_request")
        resampler = StreamingResampler(self.engines.tts.rate_hz, RATE_HZ)
        async with aclosing(self.engines.tts.speak(segment)) as chunks:
            async for chunk in chunks:
                record.stamp("tts_first_pcm")
                self._publisher.write(resampler.push(chunk))
        self._publisher.write(resampler.flush())

    def _first_published(self, record: TurnRecord, seq: int) -> None:
        record.stamp("first_publish")
        record.reply_seq = seq
        self._reply_seq = seq + 1  # used first, incremented afterwards: start and end carry the same (H-57)
        self._emit(EventType.REPLY_START, reply_seq=seq)
        self._control.go(Cause.FIRST_PUBLISH)

    def _close_reply(self, record: TurnRecord, cause: ReplyCause) -> None:
        """The reply is over; nothing to close if it never became audible."""
        record.cause = cause
        if record.reply_seq is None:
            return
        record.stamp("reply_end")
        record.pre_start_sample = self._tap.start_sample
        record.pre_end_sample = self._tap.end_sample if self._tap.end_sample is not None else self._tap.position
        record.underruns = self._publisher.underruns
        record.starved_ms = 1e3 * self._publisher.starved_s
        self._emit(EventType.REPLY_END, reply_seq=record.reply_seq, cause=cause.value)
        self._emit(EventType.TRANSCRIPT, role="agent", text=record.reply_text.strip(), final=True)

    async def _stop_turn(self, cause: Cause) -> None:
        """Cancel the cascade: first the sound, then the work behind it."""
        if self._turn is None or self._turn.done() or not self._control.knows(cause):
            return
        record = self._trace.turns[-1]
        spoken = self._control.state is State.SPEAKING
        record.stamp("cancel")
        self._control.go(cause)
        self._publisher.cancel()
        self._turn.cancel()
        await asyncio.gather(self._turn, return_exceptions=True)
        if "stt_done" in record.t:
            self.engines.llm.spoken(record.reply_text if spoken else "")
        if spoken:
            self._close_reply(record, ReplyCause.INTERRUPTED)
            self._control.go(Cause.CASCADE_CANCELLED)
        if cause is Cause.USER_RESUMED and record.user_text:
            self._carried_text = (*self._carried_text, record.user_text)

    # the trace

    async def _finish_trace(self) -> None:
        await self._stop_turn(Cause.LEAVING)
        files = self._write_files()
        self._emit(EventType.TRACE_WRITTEN, files=files)

    def _write_files(self) -> list[str]:
        """Called at trace_end and again in `finally`; what is written stays written."""
        if self._written:
            return []
        self._written = True
        files: list[str] = []
        writers: tuple[Callable[[], list[str]], ...] = (
            lambda: [path.name for path in [self._tap.close()] if path is not None],
            lambda: self._trace.write(self._control.history),
        )
        for write in writers:
            try:
                files += write()
            except OSError as error:
                log.error("room %s: a recording cannot be written: %s", self.room_name, error)
        return files
