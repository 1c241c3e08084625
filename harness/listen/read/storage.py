"""Recordings too long for memory: float arrays kept on disk and mapped afresh for every use.

A mapping lives as long as the arrays that view it, so the memory is freed as soon as none does. Processing a recording
in blocks gives the same numbers, to the bit, as processing it at once: a polyphase filter needs a little of the
neighbouring blocks, an IIR filter its state.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Callable, Iterator
from math import gcd
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from harness.model.audio import Audio, FloatArray

LONG_MS = 180_000.0  # a recording up to this length is kept in memory
BLOCK = 48_000 * 60  # samples that are worked on at once
FILTER_REACH = 16  # resample_poly's filter spans 10 samples of the slower rate to each side

Read = Callable[[int, int], FloatArray]


class Mapped:
    """`length` numbers of `dtype` in a file; `array` maps them for reading."""

    def __init__(self, file: IO[bytes], dtype: npt.DTypeLike, length: int, offset: int = 0) -> None:
        self._file, self._dtype, self.length, self._offset = file, dtype, length, offset
        weakref.finalize(self, file.close)

    def array(self) -> npt.NDArray[Any]:
        if self.length == 0:
            return np.zeros(0, self._dtype)
        view = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(view, self._dtype, count=self.length, offset=self._offset)


def spill(blocks: Iterator[npt.NDArray[Any]], dtype: npt.DTypeLike) -> Mapped:
    """`blocks` one after the other, in a temporary file without a name: it goes with its last user."""
    file = tempfile.TemporaryFile(prefix="earwitness-")  # noqa: SIM115  closed with the Mapped
    length = 0
    for block in blocks:
        file.write(np.ascontiguousarray(block, dtype).data)
        length += len(block)
    file.flush()
    return Mapped(file, dtype, length)


class StoredAudio(Audio):
    """Audio whose samples stay on disk; every use of `samples` maps them anew."""

    def __init__(self, stored: Mapped, rate_hz: int) -> None:
        object.__setattr__(self, "_stored", stored)
        object.__setattr__(self, "rate_hz", rate_hz)

    @property
    def samples(self) -> FloatArray:
        stored: Mapped = self.__dict__["_stored"]
        return stored.array()

    def __len__(self) -> int:
        stored: Mapped = self.__dict__["_stored"]
        return stored.length


def is_long(n_samples: int, rate_hz: int) -> bool:
    return 1e3 * n_samples / rate_hz > LONG_MS


def resampled(read: Read, n_samples: int, from_hz: int, to_hz: int) -> Iterator[FloatArray]:
    """The result of resample_poly over samples [0, n_samples), in blocks; `read(start, end)` gives the samples."""
    from scipy.signal import resample_poly  # slow to load, and not all who read a capture listen

    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    # a block, and what it takes of its neighbours, begin where the filter's phase is the first one's
    step = -(-BLOCK // down) * down
    reach = -(-FILTER_REACH * max(up, down) // (up * down)) * down
    for start in range(0, n_samples, step):
        end = min(n_samples, start + step)
        first, last = max(0, start - reach), min(n_samples, end + reach)
        part = resample_poly(read(first, last), up, down)
        skip = (start - first) * up // down
        wanted = -(-(end - start) * up // down)
        yield part[skip : skip + wanted].astype(np.float32, copy=False)
