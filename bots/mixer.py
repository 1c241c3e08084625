"""Several tracks on one sample clock, summed as a person hears them. Pure; int16 at 48 kHz.

Each track's first frame is placed by its arrival, the following ones by count. The sum goes as far as every track that still
delivers; a track that has delivered nothing for STALLED_SAMPLES is silent, and what it brings later is placed anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]

STALLED_SAMPLES = 24_000  # 500 ms
HOLD_SAMPLES = 2_880  # 60 ms: what is on its way while no track delivers


@dataclass
class Mixer:
    """`add` as frames come, `take` as time passes."""

    given: int = 0  # one past the last sample that was given away
    _next: dict[str, int] = field(default_factory=dict)  # track → where its next frame begins
    _sum: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))  # from `given` on

    def add(self, track: str, first_at: int, samples: Int16Array) -> None:
        """`first_at`: where this frame begins by its arrival; only a track's first frame is placed by it."""
        at = self._next.get(track, max(0, first_at))
        self._next[track] = at + len(samples)
        lost = max(0, self.given - at)
        samples, at = samples[lost:], at + lost
        end = at - self.given + len(samples)
        if end > len(self._sum):
            self._sum = np.concatenate([self._sum, np.zeros(end - len(self._sum), np.int32)])
        self._sum[at - self.given : end] += samples

    def due(self, now: int) -> int:
        """Up to where the sum is complete when the clock stands at `now`."""
        for track in [t for t, at in self._next.items() if at < now - STALLED_SAMPLES]:
            del self._next[track]
        return min(self._next.values(), default=now - HOLD_SAMPLES)

    def take(self, until: int) -> Int16Array:
        """The sum from `given` up to `until`, shape (until − given,)."""
        count = max(0, until - self.given)
        part = self._sum[:count]
        self._sum = self._sum[count:]
        self.given += count
        mixed = np.zeros(count, np.int32)
        mixed[: len(part)] = part
        return np.clip(mixed, -32_768, 32_767).astype(np.int16)
