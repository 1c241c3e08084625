"""Turn taking: the user's sound in, the agent's replies out, one turn at a time, without any room.

It holds the state machine, the running turn and the reply prepared for a turn that may be ending. Cancelling a turn
cancels the whole cascade, the publisher's queue first. It owns all its tasks: none outlives `close`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from harness.model.events import EventType, ReplyCause
from runtime.audio.pre_rtc import PreRtcTap
from runtime.audio.publisher import Publisher
from runtime.call.barge_in import Act, BargeIn, UserFrame
from runtime.call.cascade import Cascade
from runtime.call.duplex_controller import Cause, DuplexController, State
from runtime.call.echo import EchoGuard
from runtime.call.speech_detector import FRAME_MS, SpeechDetector, SpeechEvent, SpeechKind, SteppedVad, usual_level_db
from runtime.call.turn_detector import make_turn_detector
from runtime.call.utterance import Utterance
from runtime.engines.engine_set import RoomEngines
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.settings import TurnTaking
from runtime.trace import Trace, TurnRecord, now_ms

log = logging.getLogger(__name__)

RESUME_SPEECH_MS = 100.0  # speech in THINKING: the user had not finished
DECIDE_TIMEOUT_S = 0.7  # a held reply waits no longer for the words
ECHO_TAIL_S = 0.5  # soft speech that begins this soon after a reply may be its unknown echo
USUAL_LEVEL_FRAMES = 500  # 5 s of the user's speech


@dataclass
class Turn:
    """One reply in the making. `task` runs `cascade`; `failed` holds an error from before it was wanted."""

    record: TurnRecord
    cascade: Cascade
    task: asyncio.Task[None] | None = None
    failed: EngineError | None = None
    wanted: bool = False


@dataclass
class Conversation:
    """One listener at a time calls `hear`. `emit(type, reply_seq=…, **data)` sends to the room."""

    engines: RoomEngines
    publisher: Publisher
    tap: PreRtcTap
    trace: Trace
    emit: Callable[..., None]
    taking: TurnTaking
    name: str = ""
    control: DuplexController = field(init=False)
    echo: EchoGuard = field(default_factory=EchoGuard)
    _turn: Turn | None = None
    _prepared: Turn | None = None
    _utterance: Utterance | None = None
    _barge_in: BargeIn | None = None
    _levels: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL_LEVEL_FRAMES))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _held_since_ms: float = 0.0
    _reply_ended_s: float = float("-inf")
    _reply_seq: int = 0
    _carried_text: tuple[str, ...] = ()
    _captioned: str = ""  # the last interim caption of the user's words

    def __post_init__(self) -> None:
        self.control = DuplexController(now_ms, self._state_changed)
        self.publisher.on_sent = lambda frame, played_s: self.echo.published(frame, played_s * 1e3)
        self.listen()

    def listen(self) -> None:
        """A user's track begins."""
        turns = make_turn_detector(self.taking.detector, self.taking.silence_ms)
        self._detector = SpeechDetector(SteppedVad(self.engines.vad.open), turns, self._partial_text)
        self.echo = EchoGuard()

    async def hear(self, frame: Int16Array, arrival_ms: float) -> None:
        """10 ms of the user at 16 kHz."""
        near = self.echo.near(frame, arrival_ms)
        event = self._detector.feed(frame, arrival_ms, near)
        if event is not None:
            await self._heard(event, near)

    async def track_ended(self) -> None:
        """This track gives no more sound: drop its speech under way."""
        await self._drop_utterance()
        self._go_on()

    async def close(self) -> None:
        await self.stop_turn(Cause.LEAVING)
        await self._drop_utterance()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{name} {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _state_changed(self, _: float, state: State, cause: Cause) -> None:
        self.emit(EventType.AGENT_STATE, state=state.value, cause=cause.value)

    def _partial_text(self) -> str:
        return self._utterance.partial_text if self._utterance is not None else ""

    # listening

    async def _heard(self, event: SpeechEvent, near: bool) -> None:
        if event.kind is SpeechKind.STARTED:
            self._utterance, self._barge_in = Utterance(self.engines.stt), None
            if asyncio.get_running_loop().time() - self._reply_ended_s < ECHO_TAIL_S:
                self._barge_in = BargeIn(usual_level_db(list(self._levels)))
            self._take_up(self._utterance)
        if self._utterance is not None:
            self._utterance.push(event.audio)
            self._caption()
        if self._barge_in is not None and self.control.state is State.LISTENING:  # the reply ended meanwhile
            self._barge_in.feed(UserFrame(self._detector.track.sound(), event.speech_ms, near))
        if self.control.state in (State.SPEAKING, State.INTERRUPTING):
            await self._weigh(event, near)
        elif event.kind is SpeechKind.PAUSED and self.control.state is State.LISTENING and self.taking.prepare:
            self._prepare()
        elif event.kind is SpeechKind.RESUMED:
            self._throw_away()
        elif self.control.state is State.THINKING and event.speech_ms >= RESUME_SPEECH_MS and near:
            await self.stop_turn(Cause.USER_RESUMED)
        if event.kind is SpeechKind.ENDED:
            await self._end_of_speech(event)
        elif near and self._detector.track.sound_level_db() > -60.0 and self.control.state is State.LISTENING:
            self._levels.append(self._detector.track.sound_level_db())

    def _caption(self) -> None:
        """Send the recogniser's partial transcript, if it gives one."""
        text = self._partial_text()
        if text and text != self._captioned:
            self.emit(EventType.TRANSCRIPT, role="user", text=text, final=False)
        self._captioned = text

    def _take_up(self, utterance: Utterance) -> None:
        async def opening() -> None:
            try:
                await utterance.open()
            except EngineError as error:  # the end of speech tries again
                log.error("room %s: %s", self.name, error)

        self._spawn(opening(), "hearing")

    async def _drop_utterance(self) -> None:
        utterance, self._utterance = self._utterance, None
        self._throw_away()
        if utterance is not None:
            await utterance.drop()

    # interrupting

    async def _weigh(self, event: SpeechEvent, near: bool) -> None:
        """Decide whether the reply stops for the user."""
        if self._barge_in is None:
            self._barge_in = BargeIn(usual_level_db(list(self._levels)))
            behind = int(event.near_ms / FRAME_MS) if event.kind is SpeechKind.STARTED else 1
        else:
            behind = 1
        track = self._detector.track
        for back in range(min(behind, track.n_frames) - 1, -1, -1):
            frame = UserFrame(track.sound(back), event.speech_ms - back * FRAME_MS, near, self._partial_text())
            act = self._barge_in.feed(frame)
            if act is Act.HOLD:
                self._hold()
            elif act is Act.CANCEL:
                await self.stop_turn(Cause.BARGE_IN)
                return

    def _hold(self) -> None:
        if self.control.state is State.SPEAKING and self.publisher.hold():
            self._held_since_ms = now_ms()
            self.control.go(Cause.HELD)

    def _go_on(self) -> None:
        if self.control.state is State.INTERRUPTING and self._turn is not None:
            self._turn.record.held_ms += now_ms() - self._held_since_ms
            self.publisher.resume()
            self.control.go(Cause.FALSE_ALARM)

    async def _decide_by_words(self, barge_in: BargeIn, utterance: Utterance, event: SpeechEvent) -> None:
        """The user fell silent undecided: the words decide. If they come late, the reply has gone on."""
        heard, act = Heard(""), Act.RESUME
        answer = asyncio.create_task(utterance.finish())
        try:
            done, _ = await asyncio.wait({answer}, timeout=DECIDE_TIMEOUT_S)
            if not done:
                self._go_on()
            heard = await answer
            act = barge_in.decide_by_words(heard)
        except EngineError as error:
            log.error("room %s: no words to decide by: %s", self.name, error)
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
        if act is not Act.CANCEL:
            self._go_on()
            return
        await self.stop_turn(Cause.BARGE_IN)
        if self.control.state is State.LISTENING:

            async def known() -> Heard:
                return heard

            self._begin(event, self._make_turn(known))

    # the end of speech

    async def _end_of_speech(self, event: SpeechEvent) -> None:
        utterance, barge_in = self._utterance, self._barge_in
        prepared, self._prepared = self._prepared, None
        self._utterance = self._barge_in = None
        if utterance is None:
            return
        if self.control.state in (State.SPEAKING, State.INTERRUPTING):
            if barge_in is not None and barge_in.end(event.speech_ms) is Act.ASK:
                self._spawn(self._decide_by_words(barge_in, utterance, event), "deciding")
            else:
                await utterance.drop()
            return
        aside = barge_in is not None and barge_in.was_aside  # soft, under or just after a reply
        if not event.is_turn or aside or self.control.state is not State.LISTENING:
            if prepared is not None:
                self._wind_down(prepared)
            await utterance.drop()
            return
        if prepared is None or prepared.failed is not None:
            prepared = self._make_turn(utterance.finish)
        self._begin(event, prepared)

    def _begin(self, event: SpeechEvent, turn: Turn) -> None:
        """The agent's turn begins."""
        record = turn.record
        record.first_transition = len(self.control.history)
        record.t["user_speech_start"] = event.started_ms
        for name, t_ms in (("user_eot", event.eot_ms), ("vad_silent", event.vad_silent_ms)):
            if t_ms is not None:
                record.t[name] = t_ms
        record.stamp("vad_end")
        if event.hangover is not None:
            record.hangover_ms, record.hangover_because = event.hangover.ms, event.hangover.because
        self.trace.turns.append(record)
        self._turn, turn.wanted = turn, True
        self.control.go(Cause.END_OF_TURN)
        turn.cascade.release()

    # replying

    def _prepare(self) -> None:
        """The user is silent, perhaps done: prepare a reply, unheard."""
        if self._prepared is None and self._utterance is not None:
            self._prepared = self._make_turn(self._utterance.finish)
            self._prepared.record.stamp("prepare")
            self._prepared.record.prepared = True

    def _throw_away(self) -> None:
        """The user went on: the prepared reply answers half a sentence."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return
        self._wind_down(prepared)
        if self._utterance is not None:
            self._take_up(self._utterance)

    def _wind_down(self, turn: Turn) -> None:
        """Abandon the turn. A recogniser at work may finish: cancelling it would cost its process."""
        turn.cascade.abandoned = True
        if turn.task is not None and not turn.cascade.hearing:
            turn.task.cancel()

    def _make_turn(self, transcript: Callable[[], Awaitable[Heard]]) -> Turn:
        record, seq = TurnRecord(), self._reply_seq
        cascade = Cascade(
            self.engines,
            self.publisher,
            record,
            self._carried_text,
            any(turn.cause is ReplyCause.INTERRUPTED for turn in self.trace.turns),
            lambda text: self.emit(EventType.TRANSCRIPT, role="user", text=text, final=True),
            lambda: self._first_published(record, seq),
            lambda text: self.emit(EventType.TRANSCRIPT, reply_seq=seq, role="agent", text=text, final=False),
        )
        turn = Turn(record, cascade)
        turn.task = self._spawn(self._run(turn, transcript), "turn")
        return turn

    async def _run(self, turn: Turn, transcript: Callable[[], Awaitable[Heard]]) -> None:
        try:
            await turn.cascade.run(transcript)
            if turn.cascade.abandoned:
                return
            if turn.record.reply_text:
                self._close_reply(turn.record, ReplyCause.COMPLETED)
            self._carried_text = ()
            self.control.go(Cause.REPLY_PLAYED if self.control.state is State.SPEAKING else Cause.NO_REPLY)
        except EngineError as error:
            self._failed(turn, error)
        except Exception as error:  # an engine's fault never ends the session
            log.exception("room %s: the turn failed", self.name)
            self._failed(turn, EngineError(repr(error)))

    def _failed(self, turn: Turn, error: EngineError) -> None:
        turn.failed = error
        if not turn.wanted or turn.cascade.abandoned:
            return  # the end of turn tries again
        log.error("room %s: the turn failed: %s", self.name, error)
        self.publisher.cancel()
        self._close_reply(turn.record, ReplyCause.ERROR)
        if self.control.knows(Cause.NO_REPLY):
            self.control.go(Cause.NO_REPLY)

    def _first_published(self, record: TurnRecord, seq: int) -> None:
        record.stamp("first_publish")
        record.reply_seq = seq
        self._reply_seq = seq + 1  # used first, incremented afterwards: start and end carry the same (H-57)
        self.emit(EventType.REPLY_START, reply_seq=seq, t=dict(record.t))
        self.control.go(Cause.FIRST_PUBLISH)

    def _close_reply(self, record: TurnRecord, cause: ReplyCause) -> None:
        """The reply is over; nothing to close if it never became audible."""
        record.cause = cause
        if record.reply_seq is None:
            return
        self._reply_ended_s = asyncio.get_running_loop().time()
        record.stamp("reply_end")
        record.pre_start_sample = self.tap.start_sample
        record.pre_end_sample = self.tap.end_sample if self.tap.end_sample is not None else self.tap.position
        record.underruns = self.publisher.underruns
        record.starved_ms = 1e3 * self.publisher.starved_s
        self.emit(EventType.REPLY_END, reply_seq=record.reply_seq, cause=cause.value)
        text = record.reply_text.strip()
        self.emit(EventType.TRANSCRIPT, reply_seq=record.reply_seq, role="agent", text=text, final=True)

    async def stop_turn(self, cause: Cause) -> None:
        """Cancel the cascade: first the sound, then the work behind it."""
        turn = self._turn
        if turn is None or turn.task is None or turn.task.done() or not self.control.knows(cause):
            return
        spoken = self.control.state in (State.SPEAKING, State.INTERRUPTING)
        turn.record.stamp("cancel")
        self.publisher.cancel()
        self.control.go(cause)
        self._wind_down(turn)
        if not turn.cascade.hearing:
            await asyncio.gather(turn.task, return_exceptions=True)
        if "stt_done" in turn.record.t:
            self.engines.llm.spoken(turn.record.reply_text if spoken else "")
        if spoken:
            self._close_reply(turn.record, ReplyCause.INTERRUPTED)
            self.control.go(Cause.CASCADE_CANCELLED)
        if cause is Cause.USER_RESUMED and turn.record.user_text:
            self._carried_text = (*self._carried_text, turn.record.user_text)
