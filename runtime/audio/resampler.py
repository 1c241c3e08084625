"""A streaming resampler: chunks in, chunks out, with the samples of resampling the whole at once. Polyphase FIR.

Ratio up/down in lowest terms; the filter is a Kaiser-windowed sinc (β 8, cut-off at the lower Nyquist, 24 zero
crossings). Blocks begin at multiples of `down` input samples, so every block has the same phase and is computed with
its context.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin, upfirdn

ZERO_CROSSINGS = 24


class StreamingResampler:
    """int16 in, int16 out. `push` what comes, `flush` once at the end."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self.up, self.down = to_hz // divisor, from_hz // divisor
        widest = max(self.up, self.down)
        if widest == 1:  # the same rate: a filter that passes everything
            self._taps = np.eye(1, 2 * ZERO_CROSSINGS + 1, ZERO_CROSSINGS)[0]
        else:
            self._taps = firwin(2 * ZERO_CROSSINGS * widest + 1, 1.0 / widest, window=("kaiser", 8.0)) * self.up
        delay = ZERO_CROSSINGS * widest  # filter delay in upsampled samples
        context = -(-2 * delay // self.up)
        self._context = -(-context // self.down) * self.down  # input samples kept before a block
        self._skip = (self._context * self.up) // self.down
        self._lag = round(delay / self.down)
        self._input = np.zeros(self._context, np.float64)
        self._to_drop = self._lag  # the filter's delay, taken off the front
        self._fed = self._given = 0

    def push(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        self._fed += len(samples)
        return self._run(samples.astype(np.float64))

    def flush(self) -> npt.NDArray[np.int16]:
        """The remaining samples; the whole output then has ⌈n · up / down⌉ samples."""
        wanted = -(-self._fed * self.up // self.down) - self._given
        tail = self._run(np.zeros(2 * self._context + 2 * self.down))
        return tail[:wanted]

    def _run(self, samples: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
        self._input = np.concatenate([self._input, samples])
        new = (len(self._input) - self._context) // self.down * self.down
        if new <= 0:
            return np.empty(0, np.int16)
        block = self._input[: self._context + new]
        self._input = self._input[new:]
        count = new * self.up // self.down
        out = upfirdn(self._taps, block, self.up, self.down)[self._skip : self._skip + count]
        drop = min(self._to_drop, len(out))
        self._to_drop -= drop
        out = out[drop:]
        self._given += len(out)
        return np.clip(np.round(out), -32768, 32767).astype(np.int16)
