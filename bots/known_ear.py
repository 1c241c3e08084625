"""Hears when a known utterance has ended, to the sample of the stream as it was received.

It takes 10 ms frames at 48 kHz. When the user falls silent, a matched filter (normalised cross-correlation, parabola
through the peak) looks for the last TAIL_MS of the utterances that may come next; the level only says when to look.
A sample's time is the lower envelope of arrival − position over the last seconds: a late event loop only ever delays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bots.timeline import RATE_HZ, Int16Array

FRAME_SAMPLES = 480
TAIL_MS = 300.0
LOUD_DBFS = -45.0
LEAST_LOUD_FRAMES = 5  # 50 ms: not a click
LOOK_AFTER_QUIET_FRAMES = (6, 10, 14)  # 60, 100, 140 ms: the quiet of a plosive within the word comes first
KEPT_S = 1.5
ENVELOPE_FRAMES = 300  # 3 s
AHEAD = 2  # an utterance that was missed must not block those after it
CONFIDENCE = 0.6

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeardEnd:
    """Utterance `index` ended: one past its last voiced sample, at `mono_ms` of the host's clock."""

    index: int
    mono_ms: float
    confidence: float


def match(template: FloatArray, recording: FloatArray) -> tuple[float, float]:
    """(where the template's sample 0 stands, fractional; normalised correlation there)."""
    n = len(template)
    if n == 0 or len(recording) < n:
        return 0.0, 0.0
    size = 1 << (len(recording) + n - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(template, size)), size)
    product = product[: len(recording) - n + 1]
    energy = np.concatenate([[0.0], np.cumsum(recording.astype(np.float64) ** 2)])
    window = energy[n:] - energy[:-n]
    norm = np.sqrt(np.maximum(window, n * 1e-7) * max(float(np.sum(template.astype(np.float64) ** 2)), 1e-12))
    score = product / norm
    peak = int(np.argmax(score))
    at = float(peak)
    if 0 < peak < len(score) - 1:
        left, middle, right = score[peak - 1 : peak + 2]
        bend = left - 2 * middle + right
        at += float(0.5 * (left - right) / bend) if bend < 0 else 0.0
    return at, float(score[peak])


@dataclass
class KnownEar:
    """`feed` gives the end of an utterance once, shortly after it was heard. `said`: the utterances, voiced to voiced."""

    said: list[FloatArray]
    next_index: int = 0
    _recent: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    _position: int = 0  # samples received
    _starts_ms: deque[float] = field(default_factory=lambda: deque(maxlen=ENVELOPE_FRAMES))
    _loud: int = 0
    _quiet: int = 0

    def feed(self, t_mono_ms: float, samples: Int16Array) -> HeardEnd | None:
        x = samples.astype(np.float32) / 32768
        self._starts_ms.append(t_mono_ms - 1e3 * self._position / RATE_HZ)
        self._position += len(x)
        self._recent = np.concatenate([self._recent, x])[-round(KEPT_S * RATE_HZ) :]
        if float(np.mean(x**2)) > 10 ** (LOUD_DBFS / 10):
            self._loud, self._quiet = self._loud + 1, 0
            return None
        self._quiet += 1
        if self._loud < LEAST_LOUD_FRAMES or self._quiet not in LOOK_AFTER_QUIET_FRAMES:
            if self._quiet > LOOK_AFTER_QUIET_FRAMES[-1]:
                self._loud = 0
            return None
        return self._look()

    def _look(self) -> HeardEnd | None:
        found: HeardEnd | None = None
        for index in range(self.next_index, min(len(self.said), self.next_index + AHEAD)):
            tail = self.said[index][-round(TAIL_MS * RATE_HZ / 1e3) :]
            at, confidence = match(tail, self._recent)
            if confidence >= CONFIDENCE and (found is None or confidence > found.confidence):
                end = self._position - len(self._recent) + at + len(tail)
                found = HeardEnd(index, min(self._starts_ms) + 1e3 * end / RATE_HZ, confidence)
        if found is not None:
            self.next_index, self._loud = found.index + 1, 0
        return found
