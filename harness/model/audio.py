"""Audio as the listening half passes it: float32, mono, full scale ±1, with its rate beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audio:
    """`samples`: float32, shape (n_samples,), full scale ±1; `rate_hz`: samples a second."""

    samples: FloatArray
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1:
            raise ValueError(f"audio must be mono, shape (n,), not {self.samples.shape}")
        if self.samples.dtype != np.float32:
            raise ValueError(f"audio must be float32, not {self.samples.dtype}")
        if self.rate_hz <= 0:
            raise ValueError(f"rate_hz must be positive, not {self.rate_hz}")

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def duration_ms(self) -> float:
        return 1e3 * len(self.samples) / self.rate_hz

    def slice_ms(self, start_ms: float, end_ms: float) -> Audio:
        """The part from `start_ms` to `end_ms`, cut to what exists."""
        start = max(0, round(start_ms * self.rate_hz / 1e3))
        end = max(start, min(len(self.samples), round(end_ms * self.rate_hz / 1e3)))
        return Audio(self.samples[start:end], self.rate_hz)
