"""Pitch, voicing, openness and level of a voice, from its last frames of 10 ms at 16 kHz. Pure.

Pitch by normalised autocorrelation over 40 ms (70 to 400 Hz). A frame is `voiced` if it is periodic, unlike a cough or a
breath, and `open` if it has energy above 1 kHz, unlike a hum with closed lips.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from runtime.engines.protocols import Int16Array

RATE_HZ = 16_000
WINDOW_SAMPLES = 640  # 40 ms: two and a half periods of the lowest voice
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0
VOICED_PERIODICITY = 0.55
OPEN_ABOVE_HZ = 1_000.0
OPEN_DB = -24.0  # energy above 1 kHz against all of it: vowels −5 to −18, a nasal hum below −30
TRACK_FRAMES = 100  # 1 s
CONTOUR_FRAMES = 30  # 300 ms before the pause
SEMITONES_PER_OCTAVE = 12.0
FINAL_FALL_ST = -2.0
FINAL_RISE_ST = 2.8  # a question's rise; a voice that goes on rises 1 to 2.6 (espeak-ng, docs/why/turn_taking.md)
HELD_DROP_DB = 11.0  # a voice that goes on drops less over its last 150 ms
FEWEST_VOICED = 8  # frames of a contour


def level_db(frame: Int16Array) -> float:
    """RMS in dBFS; −120 for silence."""
    power = float(np.mean((frame / 32768.0) ** 2)) if len(frame) else 0.0
    return 10 * math.log10(max(power, 1e-12))


@dataclass(frozen=True)
class FrameSound:
    """One frame of 10 ms, with the 30 ms before it."""

    level_db: float
    pitch_hz: float | None  # None: unvoiced
    open: bool

    @property
    def voiced(self) -> bool:
        return self.pitch_hz is not None


@dataclass(frozen=True)
class Prosody:
    """How a voice went into a pause. None: too few voiced frames."""

    pitch_change_st: float | None  # last third of the contour against its first, semitones
    level_drop_db: float | None  # over the last 150 ms

    @property
    def final(self) -> bool:
        """Whether the pitch fell, or rose as in a question."""
        change = self.pitch_change_st
        return change is not None and (change <= FINAL_FALL_ST or change >= FINAL_RISE_ST)

    @property
    def held(self) -> bool:
        """Whether the pitch is even or slightly up and the level did not drop: more will follow."""
        change, drop = self.pitch_change_st, self.level_drop_db
        return change is not None and drop is not None and 0.0 <= change < FINAL_RISE_ST and drop < HELD_DROP_DB


def periodicity(window: np.ndarray) -> tuple[float, float]:
    """(pitch in Hz, how much of the window repeats itself at it, 0 to 1). `window`: 40 ms at 16 kHz."""
    x = window - np.mean(window)
    first, last = int(RATE_HZ / HIGHEST_HZ), int(RATE_HZ / LOWEST_HZ)
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    auto = np.fft.irfft(spectrum)[: last + 1]
    squares = np.concatenate([[0.0], np.cumsum(x**2)])
    lags = np.arange(first, last + 1)
    head, tail = squares[len(x) - lags], squares[-1] - squares[lags]
    norm = np.sqrt(np.maximum(head * tail, 1e-9))
    values = auto[first : last + 1] / norm
    best = int(np.argmax(values))
    # an octave below is as periodic: take the shortest lag that is nearly as good
    good = np.flatnonzero(values >= 0.9 * values[best])
    at = int(good[0]) if len(good) else best
    while at + 1 < len(values) and values[at + 1] > values[at]:
        at += 1
    return RATE_HZ / (first + at), float(values[best])


@dataclass
class FrameTrack:
    """The last second of one voice."""

    _tail: np.ndarray = field(default_factory=lambda: np.zeros(WINDOW_SAMPLES))
    _frames: deque[tuple[float, np.ndarray]] = field(default_factory=lambda: deque(maxlen=TRACK_FRAMES))

    def add(self, frame: Int16Array) -> None:
        self._tail = np.concatenate([self._tail, frame.astype(np.float64)])[-WINDOW_SAMPLES:]
        self._frames.append((level_db(frame), self._tail))

    @property
    def n_frames(self) -> int:
        return len(self._frames)

    def sound_level_db(self) -> float:
        """Level of the newest frame."""
        return self._frames[-1][0] if self._frames else -120.0

    def sound(self, back: int = 0) -> FrameSound:
        """The frame `back` frames ago."""
        level, window = self._frames[-1 - back]
        if level < -75.0:
            return FrameSound(level, None, False)
        pitch_hz, share = periodicity(window)
        power = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
        edge = int(OPEN_ABOVE_HZ * len(window) / RATE_HZ)
        above_db = 10 * math.log10(max(float(np.sum(power[edge:]) / max(float(np.sum(power)), 1e-9)), 1e-12))
        return FrameSound(level, pitch_hz if share >= VOICED_PERIODICITY else None, above_db >= OPEN_DB)

    def prosody(self, silent_frames: int) -> Prosody:
        """Prosody before the last `silent_frames`."""
        count = min(CONTOUR_FRAMES, len(self._frames) - silent_frames)
        sounds = [self.sound(silent_frames + k) for k in range(max(0, count))][::-1]
        pitches = [12 * math.log2(s.pitch_hz / 100.0) for s in sounds if s.pitch_hz is not None]
        if len(pitches) < FEWEST_VOICED:
            return Prosody(None, None)
        third = max(2, len(pitches) // 3)
        change = float(np.median(pitches[-third:]) - np.median(pitches[:third]))
        levels = [s.level_db for s in sounds][-15:]
        drop = float(np.mean(levels[:5]) - np.mean(levels[-5:])) if len(levels) >= 10 else None
        return Prosody(change, drop)
