"""The faults of time: another speed, pitch or sample rate, and replies that repeat, start late, lack their end or never end.

As in `effects`: each is called for every frame of a reply, and for the silence after it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.prove.stream import FRAME, PER_MS, RATE_HZ, Frame, Once, Plain, Queued, dbfs

AUDIBLE_DBFS = -45.0
SILENT_SAMPLE = 10 ** (-50 / 20)
FADING_MS = 160.0  # a word that ends by itself fades for at most so long
ENDED_MS = 140.0  # a pause within a reply is shorter


@dataclass
class LostTail(Queued):
    """The last `lost_ms` are never published. It holds sound back to find the end: the reply is late by as much."""

    lost_ms: float = 40.0
    cut: bool = False

    def start(self) -> None:
        super().start()
        self.cut = False
        self.put(np.zeros(round((self.lost_ms + FADING_MS + ENDED_MS) * PER_MS), np.float32))

    def change(self, frame: Frame, t: int) -> Frame:
        self.put(frame)
        return self.take(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        if not self.cut and since_end >= ENDED_MS * PER_MS:
            self.cut = True
            loud = np.flatnonzero(np.abs(self.queue) > 3 * SILENT_SAMPLE)
            last = int(loud[-1]) + 1 if len(loud) else 0
            kept = max(0, last - round(self.lost_ms * PER_MS))
            self.note(-1, last - kept, audible=kept > 0 and dbfs(self.queue[kept:last]) > AUDIBLE_DBFS)
            self.queue = self.queue[:kept]
        if not self.cut:  # a pause, as far as is known
            self.put(np.zeros(FRAME, np.float32))
            return self.take(FRAME)
        return super().silence(since_end)


@dataclass
class Speed(Queued):
    """The reply is played `speed_percent` faster (or, negative, slower), and higher (lower) by as much."""

    speed_percent: float = 0.5
    position: float = 0.0
    given: int = 0

    def start(self) -> None:
        super().start()
        self.position, self.given = 0.0, 0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
            if self.speed_percent > 0:  # it would run out of sound: it begins so much later
                self.put(np.zeros(round(self.speed_percent / 100 * 8 * RATE_HZ), np.float32))
        ratio = 1 + self.speed_percent / 100
        whole = np.concatenate([self.before[-2:], frame])
        places = np.arange(self.position, self.given + len(frame), ratio) - self.given + 1
        places = places[places < len(whole) - 1]
        self.position += ratio * len(places)
        self.given += len(frame)
        self.put(_between(whole, places))
        return self.take(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        return self.sound(np.zeros(FRAME, np.float32), -1) if self.queue.any() else None


@dataclass
class Drift(Speed):
    """Slower by `percent_per_s` more with every second: a clock that warms up, or a resampler that chases a queue."""

    speed_percent: float = 0.0
    percent_per_s: float = 0.5

    def change(self, frame: Frame, t: int) -> Frame:
        self.speed_percent = -self.percent_per_s * self.given / RATE_HZ
        return super().change(frame, t)


def _between(samples: Frame, places: npt.NDArray[np.float64]) -> Frame:
    """Values at fractional places. Linear: at 0.5 % it leaves an image 40 dB down at 8 kHz, which is not the fault."""
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


@dataclass
class WrongRate(Queued):
    """Samples of one rate taken for another: `ratio` 2 is 24 kHz played as 48 kHz. Above 1 it waits for the whole reply."""

    ratio: float = 0.5
    whole: list[Frame] = field(default_factory=list)

    def start(self) -> None:
        super().start()
        self.whole = []

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        if self.ratio > 1:
            self.whole.append(frame)
            return np.zeros_like(frame)
        self.put(_between(frame, np.arange(0, len(frame), self.ratio)))
        return self.take(len(frame))

    def silence(self, since_end: int) -> Frame | None:
        if self.whole and since_end < 300 * PER_MS:  # a pause, as far as is known
            self.whole.append(np.zeros(FRAME, np.float32))
        elif self.whole:
            reply = np.concatenate(self.whole)
            self.whole = []
            self.put(_between(reply, np.arange(0, len(reply) - 1, self.ratio)))
        return super().silence(since_end)


@dataclass
class Pitch(Plain):
    """Higher by `shift_percent` at the same speed: two taps of a moving delay, cross-faded (a delay-line shifter)."""

    shift_percent: float = 3.0
    line: Frame = field(default_factory=lambda: np.zeros(0, np.float32))
    phase: float = 0.0

    def start(self) -> None:
        self.line, self.phase = np.zeros(4_000, np.float32), 0.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        window = 30 * PER_MS
        self.line = np.concatenate([self.line[-4_000:], frame])
        n = np.arange(len(frame))
        first = (self.phase - self.shift_percent / 100 * n) % window
        second = (first + window / 2) % window
        base = len(self.line) - len(frame) + n
        self.phase = float((self.phase - self.shift_percent / 100 * len(frame)) % window)
        weight = np.sin(np.pi * first / window) ** 2
        out = weight * _between(self.line, base - first) + (1 - weight) * _between(self.line, base - second)
        return out.astype(np.float32)


@dataclass
class Repeat(Queued):
    """`repeat_ms` are played twice in the middle of a syllable; all that follows is late by as much."""

    repeat_ms: float = 40.0
    earliest: int = 0
    struck: bool = False
    recent: Frame = field(default_factory=lambda: np.zeros(0, np.float32))

    def start(self) -> None:
        super().start()
        self.struck, self.recent = False, np.zeros(0, np.float32)
        self.earliest = round(self.rng.uniform(400, 900) * PER_MS)

    def change(self, frame: Frame, t: int) -> Frame:
        size = round(self.repeat_ms * PER_MS)
        self.recent = np.concatenate([self.recent, frame])[-size:]
        self.put(frame)
        if not self.struck and t >= self.earliest and len(self.recent) >= size and dbfs(self.recent) > -30:
            self.struck = True
            self.note(t + len(frame), size)
            self.put(self.recent)
        return self.take(len(frame))


@dataclass
class Late(Queued):
    """The reply begins `late_ms` later than it was published."""

    late_ms: float = 50.0

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, round(self.late_ms * PER_MS))
            self.put(np.zeros(round(self.late_ms * PER_MS), np.float32))
        self.put(frame)
        return self.take(len(frame))


@dataclass
class NoReply(Plain):
    """The reply is silent."""

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        return np.zeros_like(frame)


@dataclass
class Endless(Plain):
    """The last second repeats for `going_on_s`."""

    going_on_s: float = 60.0
    recent: Frame = field(default_factory=lambda: np.zeros(0, np.float32))

    def start(self) -> None:
        self.recent = np.zeros(0, np.float32)

    def change(self, frame: Frame, t: int) -> Frame:
        if t == 0:
            self.note(0, 0)
        self.recent = np.concatenate([self.recent, frame])[-RATE_HZ:]
        return frame

    def silence(self, since_end: int) -> Frame | None:
        if since_end > self.going_on_s * RATE_HZ or len(self.recent) < FRAME:
            return None
        at = np.arange(since_end, since_end + FRAME) % len(self.recent)
        out: Frame = self.recent[at]
        return out


@dataclass
class NoStop(Endless):
    """After the reply ends (for an interruption, too) it goes on for `going_on_s`."""

    going_on_s: float = 1.0


@dataclass
class Stall(Once):
    """Publishing stands still for `stall_ms`, then catches up: the whole agent waits."""

    stall_ms: float = 150.0

    def strike(self, frame: Frame, since: int) -> Frame:
        if since == 0:
            assert self.struck_at is not None
            self.note(self.struck_at, round(self.stall_ms * PER_MS))
            time.sleep(self.stall_ms / 1e3)  # the fault itself: it blocks the agent's loop
        return frame
