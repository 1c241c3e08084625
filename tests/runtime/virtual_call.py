"""A call in virtual time, without a room: what the agent's listener hears, to the sample, of what a user says.

The clock jumps to the next timer when nothing is ready, so that seconds take milliseconds and no load changes a result.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc

from runtime.audio.pre_rtc import PreRtcTap
from runtime.audio.publisher import RATE_HZ, Publisher
from runtime.call.conversation import Conversation
from runtime.engines.engine_set import RoomEngines
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.settings import TurnTaking
from runtime.trace import Trace

TICK_S = 0.010
LOUD = 500


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now_s = max(self._now_s, self._scheduled[0]._when)
        super()._run_once()


def in_virtual_time(work: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())  # type: ignore[arg-type]


class HeardSource:
    """Stands for LiveKit's native queue: what is queued is heard in ticks of 10 ms, what is cleared is not."""

    def __init__(self) -> None:
        self.heard = np.zeros(0, np.int16)
        self.t0_s = asyncio.get_running_loop().time()
        self._horizon = 0

    def _now(self) -> int:
        return round((asyncio.get_running_loop().time() - self.t0_s) * RATE_HZ)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, np.int16)
        start = max(self._horizon, self._now())
        self._horizon = start + len(samples)
        if self._horizon > len(self.heard):
            self.heard = np.concatenate([self.heard, np.zeros(self._horizon - len(self.heard), np.int16)])
        self.heard[start : self._horizon] = samples

    def clear_queue(self) -> None:
        tick = int(TICK_S * RATE_HZ)
        taken = -(-self._now() // tick) * tick  # the tick that has begun is out
        self.heard[taken:] = 0
        self._horizon = min(self._horizon, max(taken, self._now()))

    def loud_ms(self) -> np.ndarray:
        """The ms of the call in which something was heard."""
        whole = len(self.heard) // 48 * 48
        return np.flatnonzero(np.max(np.abs(self.heard[:whole].reshape(-1, 48).astype(int)), axis=1) > LOUD)


class LoudIsSpeech:
    rate_hz, window_samples = 16_000, 512

    def probability(self, window: Int16Array) -> float:
        return float(np.sqrt(np.mean((window / 32768.0) ** 2)) > 0.003)


class LoudDetection:
    def open(self) -> LoudIsSpeech:
        return LoudIsSpeech()


@dataclass
class ToldWords:
    """A recogniser that is told what it hears: the next of `answers`, then the last one again."""

    answers: list[Heard]
    finish_s: float = 0.02
    fails: int = 0  # this many times
    opened: int = 0
    closed: int = 0
    pushed: list[int] = field(default_factory=list)  # samples of each transcription

    async def warm_up(self) -> None: ...
    async def aclose(self) -> None: ...
    async def open(self) -> ToldTranscription:
        self.opened += 1
        self.pushed.append(0)
        return ToldTranscription(self, len(self.pushed) - 1)


@dataclass
class ToldTranscription:
    owner: ToldWords
    index: int

    def push(self, samples: Int16Array) -> None:
        self.owner.pushed[self.index] += len(samples)

    async def finish(self) -> Heard:
        self.owner.closed += 1
        await asyncio.sleep(self.owner.finish_s)
        if self.owner.fails:
            self.owner.fails -= 1
            raise EngineError("the recogniser died")
        return self.owner.answers.pop(0) if len(self.owner.answers) > 1 else self.owner.answers[0]

    async def drop(self) -> None:
        self.owner.closed += 1


@dataclass
class Answers:
    """A language model that says what it was asked, and counts."""

    repeatable: bool = True
    token_s: float = 0.005
    reply_text: str = "one two three four five six seven eight nine ten eleven twelve"
    asked: list[tuple[str, bool]] = field(default_factory=list)
    cut_after: list[str] = field(default_factory=list)

    def open(self) -> Answers:
        return self

    def spoken(self, text: str) -> None:
        self.cut_after.append(text)

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        self.asked.append((heard.text, interrupted))
        for word in self.reply_text.split():
            await asyncio.sleep(self.token_s)
            yield word + " "


@dataclass
class Tone:
    """Text to speech: 60 ms of a tone a character. `breaks`: after so many segments it raises something odd."""

    rate_hz: int = 24_000
    breaks: int | None = None
    spoken: list[str] = field(default_factory=list)

    async def warm_up(self) -> None: ...
    async def aclose(self) -> None: ...
    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        self.spoken.append(text)
        if self.breaks is not None and len(self.spoken) > self.breaks:
            raise ZeroDivisionError("garbage")
        n = len(text) * 60 * 24
        tone = (6_000 * np.sin(np.arange(n) / 7)).astype(np.int16)
        for start in range(0, n, 2_400):
            await asyncio.sleep(0.002)
            yield tone[start : start + 2_400]


@dataclass
class Call:
    """`say` and `wait` in ms; `events` are (type, data) as they were emitted."""

    talk: Conversation
    source: HeardSource
    events: list[tuple[str, dict[str, Any]]]
    stt: ToldWords
    llm: Answers
    tts: Tone
    pump: asyncio.Task[None]
    t0_s: float

    @property
    def now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self.t0_s) * 1e3

    async def hear(self, signal: Int16Array) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for k in range(len(signal) // 160):
            await asyncio.sleep(start_s + 0.01 * (k + 1) - loop.time())
            await self.talk.hear(signal[k * 160 : (k + 1) * 160], loop.time() * 1e3)

    async def say(self, ms: int, level: float = 0.1, pitch_hz: float = 150.0) -> None:
        t = np.arange(ms * 16) / 16_000
        sound = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 20))
        await self.hear((32_767 * level * sound).astype(np.int16))

    async def wait(self, ms: int) -> None:
        await self.hear(np.zeros(ms * 16, np.int16))

    def causes(self) -> list[str]:
        return [cause for _, _, cause in self.talk.control.history]

    async def hang_up(self) -> None:
        await self.talk.close()
        self.pump.cancel()
        await asyncio.gather(self.pump, return_exceptions=True)


def call(
    stt: ToldWords | None = None,
    llm: Answers | None = None,
    tts: Tone | None = None,
    taking: TurnTaking | None = None,
) -> Call:
    """Within a running loop; `hang_up` when done."""
    stt, llm, tts = stt or ToldWords([Heard("hello")]), llm or Answers(), tts or Tone()
    source, events = HeardSource(), []
    tap = PreRtcTap()
    publisher = Publisher(source, tap)  # type: ignore[arg-type]
    talk = Conversation(
        RoomEngines(LoudDetection(), stt, llm, tts),  # type: ignore[arg-type]
        publisher,
        tap,
        Trace(None, 200.0),
        lambda kind, **data: events.append((kind.value, data)),
        taking or TurnTaking(),
        "test",
    )
    pump = asyncio.create_task(publisher.run())
    return Call(talk, source, events, stt, llm, tts, pump, asyncio.get_running_loop().time())
