"""One synthesis as it came over the wire: samples, and when each piece of them was there. Pure.

int16 mono at the engine's own rate; times are seconds since the request was sent, on one monotonic clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.audio import Audio

Int16Array = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Arrival:
    """`n_samples` in all were there `at_s` after the request."""

    at_s: float
    n_samples: int


@dataclass(frozen=True, eq=False)
class Spoken:
    """`arrivals` in order, of pieces that held sound samples (a header is none); `whole_s`: the stream had ended."""

    samples: Int16Array
    rate_hz: int
    arrivals: tuple[Arrival, ...]
    whole_s: float

    @property
    def duration_ms(self) -> float:
        return 1e3 * len(self.samples) / self.rate_hz

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.samples.astype("<i2").tobytes()).hexdigest()

    def audio(self) -> Audio:
        return Audio((self.samples / 32_768).astype(np.float32), self.rate_hz)
