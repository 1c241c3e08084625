"""Who speaks when: the user's sound in, the agent's replies out, one turn at a time, no room in sight.

Holds the state machine and the running turn. Cancelling the turn's task cancels the whole cascade, and the publisher's
queue is flushed first. No task outlives `close`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.model.events import EventType, ReplyCause
from runtime.cascade import Cascade, Engines
from runtime.duplex_controller import Cause, DuplexController, State
from runtime.engines.protocols import EngineError, Int16Array, Transcription
from runtime.pre_rtc import PreRtcTap
from runtime.publisher import Publisher
from runtime.trace import Trace, TurnRecord, now_ms
from runtime.turn_detector import SpeechEvent, SpeechKind, TurnDetector
from runtime.vad_silero import SileroVad

log = logging.getLogger(__name__)

BARGE_IN_SPEECH_MS = 160.0  # shorter is a click or a breath
RESUME_SPEECH_MS = 96.0


@dataclass
class Conversation:
    """`hear` is fed by one listener at a time. `emit(type, reply_seq=…, **data)` tells the room."""

    engines: Engines
    publisher: Publisher
    tap: PreRtcTap
    trace: Trace
    emit: Callable[..., None]
    vad_silence_ms: float
    name: str
    control: DuplexController = field(init=False)
    _turn: asyncio.Task[None] | None = None
    _transcription: Transcription | None = None
    _reply_seq: int = 0
    _carried_text: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.control = DuplexController(now_ms, self._told)

    def listen(self) -> None:
        """A user's track begins."""
        self._detector = TurnDetector(SileroVad(), self.vad_silence_ms)

    async def hear(self, frame: Int16Array, arrival_ms: float) -> None:
        """10 ms of the user at 16 kHz."""
        for event in self._detector.feed(frame, arrival_ms):
            try:
                await self._heard(event)
            except EngineError as error:
                log.error("room %s: %s", self.name, error)
                self._transcription = None

    async def close(self) -> None:
        await self.stop_turn(Cause.LEAVING)
        if self._transcription is not None:
            await self._transcription.drop()
            self._transcription = None

    def _told(self, _: float, state: State, cause: Cause) -> None:
        self.emit(EventType.AGENT_STATE, state=state.value, cause=cause.value)

    # listening

    async def _heard(self, event: SpeechEvent) -> None:
        if event.kind is SpeechKind.STARTED:
            self._transcription = await self.engines.stt.open()
        if self._transcription is not None:
            self._transcription.push(event.audio)
        if self.control.state is State.SPEAKING and event.speech_ms >= BARGE_IN_SPEECH_MS:
            await self.stop_turn(Cause.BARGE_IN)
        elif self.control.state is State.THINKING and event.speech_ms >= RESUME_SPEECH_MS:
            await self.stop_turn(Cause.USER_RESUMED)
        if event.kind is SpeechKind.ENDED:
            await self._end_of_speech(event)

    async def _end_of_speech(self, event: SpeechEvent) -> None:
        transcription, self._transcription = self._transcription, None
        if transcription is None:
            return
        busy = self.control.state is not State.LISTENING
        if not event.is_turn or busy:  # a click, or something too short to interrupt
            await transcription.drop()
            return
        record = TurnRecord(first_transition=len(self.control.history))
        record.t["user_speech_start"] = event.started_ms
        if event.eot_ms is not None:
            record.t["user_eot"] = event.eot_ms
        record.stamp("vad_end")
        self.trace.turns.append(record)
        self.control.go(Cause.END_OF_TURN)
        self._turn = asyncio.create_task(self._reply(record, transcription))

    # replying

    async def _reply(self, record: TurnRecord, transcription: Transcription) -> None:
        """One turn. On cancellation `stop_turn` has already flushed; here the record is closed."""
        seq = self._reply_seq
        cascade = Cascade(
            self.engines,
            self.publisher,
            record,
            self._carried_text,
            any(turn.cause is ReplyCause.INTERRUPTED for turn in self.trace.turns[:-1]),
            lambda text: self.emit(EventType.TRANSCRIPT, role="user", text=text, final=True),
            lambda: self._first_published(record, seq),
        )
        try:
            await cascade.run(transcription)
            if record.reply_text:
                self._close_reply(record, ReplyCause.COMPLETED)
            self._carried_text = ()
            self.control.go(Cause.REPLY_PLAYED if self.control.state is State.SPEAKING else Cause.NO_REPLY)
        except EngineError as error:
            log.error("room %s: the turn failed: %s", self.name, error)
            self.publisher.cancel()
            self._close_reply(record, ReplyCause.ERROR)
            if self.control.knows(Cause.NO_REPLY):
                self.control.go(Cause.NO_REPLY)

    def _first_published(self, record: TurnRecord, seq: int) -> None:
        record.stamp("first_publish")
        record.reply_seq = seq
        self._reply_seq = seq + 1  # used first, incremented afterwards: start and end carry the same (H-57)
        self.emit(EventType.REPLY_START, reply_seq=seq)
        self.control.go(Cause.FIRST_PUBLISH)

    def _close_reply(self, record: TurnRecord, cause: ReplyCause) -> None:
        """The reply is over; nothing to close if it never became audible."""
        record.cause = cause
        if record.reply_seq is None:
            return
        record.stamp("reply_end")
        record.pre_start_sample = self.tap.start_sample
        record.pre_end_sample = self.tap.end_sample if self.tap.end_sample is not None else self.tap.position
        record.underruns = self.publisher.underruns
        record.starved_ms = 1e3 * self.publisher.starved_s
        self.emit(EventType.REPLY_END, reply_seq=record.reply_seq, cause=cause.value)
        self.emit(EventType.TRANSCRIPT, role="agent", text=record.reply_text.strip(), final=True)

    async def stop_turn(self, cause: Cause) -> None:
        """Cancel the cascade: first the sound, then the work behind it."""
        if self._turn is None or self._turn.done() or not self.control.knows(cause):
            return
        record = self.trace.turns[-1]
        spoken = self.control.state is State.SPEAKING
        record.stamp("cancel")
        self.control.go(cause)
        self.publisher.cancel()
        self._turn.cancel()
        await asyncio.gather(self._turn, return_exceptions=True)
        if spoken:
            self._close_reply(record, ReplyCause.INTERRUPTED)
            self.control.go(Cause.CASCADE_CANCELLED)
        if cause is Cause.USER_RESUMED and record.user_text:
            self._carried_text = (*self._carried_text, record.user_text)
