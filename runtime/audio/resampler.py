"""A streaming resampler: chunks in, chunks out, with the samples of resampling the whole at once. Polyphase FIR.

Ratio up/down in lowest terms; the filter is a Kaiser-windowed sinc (β 8, cut-off at the lower Nyquist, 24 zero
crossings). Blocks begin at multiples of `down` input samples, so every block has the same phase and is computed with
its context. In numpy alone: scipy.signal brings scipy.stats along, which doubled the agent's start.
"""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

ZERO_CROSSINGS = 24


class StreamingResampler:
    """int16 in, int16 out. `push` what comes, `flush` once at the end."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self.up, self.down = to_hz // divisor, from_hz // divisor
        widest = max(self.up, self.down)
        passes_all = np.eye(1, 2 * ZERO_CROSSINGS + 1, ZERO_CROSSINGS)[0]
        taps = passes_all if widest == 1 else _low_pass(widest) * self.up
        self._phases = _phases_of(taps, self.up)
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
        out = self._filtered(block, self._skip, count)
        drop = min(self._to_drop, len(out))
        self._to_drop -= drop
        out = out[drop:]
        self._given += len(out)
        return np.clip(np.round(out), -32768, 32767).astype(np.int16)

    def _filtered(self, block: npt.NDArray[np.float64], first: int, count: int) -> npt.NDArray[np.float64]:
        """Samples `first` to `first + count` of the output, of which 0 is that of the block's first sample."""
        at = np.arange(first, first + count) * self.down  # in samples of the upsampled block
        length = self._phases.shape[1]
        padded = np.concatenate([np.zeros(length - 1), block])
        windows = sliding_window_view(padded, length)[at // self.up]
        return np.einsum("ij,ij->i", windows, self._phases[at % self.up])


def _low_pass(widest: int) -> npt.NDArray[np.float64]:
    """Kaiser-windowed sinc (β 8), cut-off at 1/`widest` of the Nyquist frequency, gain 1 at 0 Hz."""
    half = ZERO_CROSSINGS * widest
    taps = np.sinc(np.arange(-half, half + 1) / widest) * np.kaiser(2 * half + 1, 8.0)
    return taps / taps.sum()


def _phases_of(taps: npt.NDArray[np.float64], up: int) -> npt.NDArray[np.float64]:
    """Row p has every `up`-th tap from p on, the latest first, as it meets a window of input."""
    length = -(-len(taps) // up)
    padded = np.zeros(length * up)
    padded[: len(taps)] = taps
    return np.ascontiguousarray(padded.reshape(length, up).T[:, ::-1])
