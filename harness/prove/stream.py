"""A fault as a filter of the agent's voice: 20 ms frames in, as many samples out, one reply after the other.

`ReplyStream` finds where a reply begins and ends (frames of digital silence lie between replies) and calls its effect;
the effect changes sound and logs what it did. Frames are float32 at full scale ±1, times in samples at 48 kHz. The
same object serves live, in the agent's audio hooks, and offline, over recorded replies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
PER_MS = RATE_HZ // 1_000
FRAME = 960
REPLY_OVER = round(0.6 * RATE_HZ)  # digital silence for so long ends a reply; pauses within one are shorter
LOUD_DBFS = -32.0
NEVER = 1 << 60

Frame = npt.NDArray[np.float32]


def db(value: float) -> float:
    return float(10 ** (value / 20))


def dbfs(samples: Frame) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)) if len(samples) else -120.0


@dataclass(frozen=True)
class Applied:
    """What was done to a reply: `at_ms` from its first sample; `audible`: whether it could be heard.

    `start_ms`: that first sample's place, from the stream's first; None in logs without it.
    """

    reply: int
    at_ms: float
    duration_ms: float
    audible: bool = True
    detail: str = ""
    start_ms: float | None = None


class Effect(Protocol):
    """Called for each frame; `t` counts samples since the reply's first, negative in the silence between replies."""

    def begin(self, reply: int, rng: np.random.Generator) -> None: ...
    def sound(self, frame: Frame, t: int) -> Frame: ...
    def silence(self, since_end: int) -> Frame | None:
        """A frame after the reply's end (`since_end` samples after it), or None to leave silence."""
        ...

    def end(self) -> list[Applied]:
        """What was done to the reply that is over."""
        ...


@dataclass
class ReplyStream:
    """Frames of int16 in and out. `log` is called once per reply with what was done to it."""

    effect: Effect
    seed: int
    log: Callable[[Applied], None] = lambda applied: None
    reply: int = -1
    _passed: int = 0
    _start: int = 0
    _t: int = NEVER
    _silent: int = REPLY_OVER
    _open: bool = False
    _noted: bool = True

    def __call__(self, frame: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        out = self._sounding(frame) if np.any(frame) else self._silence(len(frame))
        self._passed += len(frame)
        return (np.clip(np.rint(out * 32768.0), -32768, 32767)).astype(np.int16)

    def _sounding(self, frame: npt.NDArray[np.int16]) -> Frame:
        if self._silent >= REPLY_OVER:
            self.close()
            self.reply, self._start, self._t, self._open, self._noted = self.reply + 1, self._passed, 0, True, False
            self.effect.begin(self.reply, np.random.default_rng([self.seed, self.reply]))
        self._silent = 0
        out = self.effect.sound(frame.astype(np.float32) / np.float32(32768.0), self._t)
        self._t += len(frame)
        return out

    def _silence(self, n: int) -> Frame:
        nothing = np.zeros(n, np.float32)
        if not self._open:
            return nothing
        out = self.effect.silence(self._silent)
        self._silent += n
        self._t += n
        return nothing if out is None else out

    @property
    def over(self) -> bool:
        """Whether the reply has ended; its effect may still act in the silence after it."""
        return self._silent >= REPLY_OVER and not self._noted

    def close(self) -> None:
        """End the reply: log what was done to it."""
        if self._open and not self._noted:
            self._noted = True
            for applied in self.effect.end():
                self.log(replace(applied, start_ms=round(self._start / PER_MS, 2)))


@dataclass
class Plain:
    """An effect that does nothing: the base of the others."""

    reply: int = -1
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    done: list[Applied] = field(default_factory=list)
    before: Frame = field(default_factory=lambda: np.zeros(FRAME, np.float32))

    def begin(self, reply: int, rng: np.random.Generator) -> None:
        self.reply, self.rng, self.done = reply, rng, []
        self.before = np.zeros(FRAME, np.float32)
        self.start()

    def start(self) -> None:
        """A new reply begins; an effect resets its state here."""

    def sound(self, frame: Frame, t: int) -> Frame:
        out = self.change(frame, t)
        self.before = frame
        return out

    def change(self, frame: Frame, t: int) -> Frame:
        return frame

    def silence(self, since_end: int) -> Frame | None:
        return None

    def end(self) -> list[Applied]:
        return self.done

    def note(self, at: int, samples: int, audible: bool = True, detail: str = "") -> None:
        self.done.append(Applied(self.reply, round(at / PER_MS, 2), round(samples / PER_MS, 2), audible, detail))

    def rising(self, frame: Frame) -> bool:
        """Loud, and louder than the frame before: what follows is the middle of a syllable."""
        level = dbfs(frame)
        return level > LOUD_DBFS and level >= dbfs(self.before)


@dataclass
class Once(Plain):
    """An effect that strikes once a reply, in the middle of a syllable, `earliest` samples into it or later."""

    earliest: int = 0
    struck_at: int | None = None

    def start(self) -> None:
        self.struck_at = None
        self.earliest = round(self.rng.uniform(250, 900) * PER_MS)

    def change(self, frame: Frame, t: int) -> Frame:
        if self.struck_at is None and t >= self.earliest and self.rising(frame):
            self.struck_at = t
        return frame if self.struck_at is None else self.strike(frame, t - self.struck_at)

    def strike(self, frame: Frame, since: int) -> Frame:
        """`since`: samples since it struck, 0 in its first frame."""
        return frame


@dataclass
class Queued(Plain):
    """An effect that makes more, or fewer, samples than it gets: surplus samples wait, missing ones are silence."""

    queue: Frame = field(default_factory=lambda: np.zeros(0, np.float32))
    primed: bool = False

    def start(self) -> None:
        self.queue, self.primed = np.zeros(0, np.float32), False

    def put(self, samples: Frame) -> None:
        self.queue = np.concatenate([self.queue, samples.astype(np.float32)])

    def take(self, n: int) -> Frame:
        out = np.zeros(n, np.float32)
        have = min(n, len(self.queue))
        out[:have], self.queue = self.queue[:have], self.queue[have:]
        return out

    def silence(self, since_end: int) -> Frame | None:
        if not self.queue.any():
            return None
        self.put(np.zeros(FRAME, np.float32))  # it may be a pause: waiting samples keep their distance
        return self.take(FRAME)
