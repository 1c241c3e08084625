"""Sums what the page's own AudioContexts put out into the ear, on the frames of the ear's clock. Pure.

A context counts its own frames at its own rate; each of its blocks says at which frame (a fraction) of the ear's clock it
was heard. Samples in between are computed by a windowed sinc; contiguous blocks lie on one line until they leave it by
more than LINE_FRAMES. The ear's blocks wait until every context that runs has reported its output meanwhile.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from harness.browser.records import RATE_HZ, AudioBlock
from harness.model.audio import FloatArray

HALF_TAPS = 16
PHASES = 512
KAISER_BETA = 8.0
LINE_FRAMES = 48.0  # 1 ms
PATIENCE_FRAMES = RATE_HZ * 3 // 10  # a context that reports nothing for so long is not waited for


@dataclass
class Output:
    """One context of the page: takes its blocks, gives samples on the ear's frames."""

    rate_hz: float
    next_frame: int = 0  # the ear's: everything before has been given
    _input: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    _input_from: int = 0  # the context's frame of _input[0]
    _offset: float | None = None  # the ear's frame of the context's frame 0

    @property
    def _ratio(self) -> float:
        return RATE_HZ / self.rate_hz

    @property
    def _input_end(self) -> int:
        return self._input_from + len(self._input)

    def take(self, frame: int, at: float, samples: FloatArray) -> list[tuple[int, FloatArray]]:
        """The context's `frame` was heard at the ear's frame `at`. Gives the ear's samples that are known now."""
        given = []
        if self._offset is None or frame != self._input_end or abs(self._at(frame) - at) > LINE_FRAMES:
            given += self._finish()
            self._begin(frame, at)
        self._input = np.concatenate([self._input, samples])
        return [piece for piece in [*given, self._give(self._input_end - HALF_TAPS)] if len(piece[1])]

    def _at(self, frame: float) -> float:
        assert self._offset is not None
        return self._offset + frame * self._ratio

    def _begin(self, frame: int, at: float) -> None:
        if self._ratio == 1.0:
            at = round(at)  # within 10 µs, and the samples stay what they are
        self._offset = at - frame * self._ratio
        self._input, self._input_from = np.zeros(HALF_TAPS, np.float32), frame - HALF_TAPS
        self.next_frame = max(self.next_frame, int(np.ceil(at)))

    def _finish(self) -> list[tuple[int, FloatArray]]:
        """What is left of a line that ends: silence follows it."""
        if self._offset is None:
            return []
        end = self._input_end
        self._input = np.concatenate([self._input, np.zeros(HALF_TAPS, np.float32)])
        return [self._give(end)]

    def _give(self, until: int) -> tuple[int, FloatArray]:
        """The ear's samples up to the context's frame `until`."""
        first = self.next_frame
        end = max(first, int(np.ceil(self._at(until))))
        assert self._offset is not None
        positions = (np.arange(first, end) - self._offset) / self._ratio - self._input_from
        self.next_frame = end
        given = interpolate(self._input, positions, min(1.0, self._ratio))
        keep = max(0, until - HALF_TAPS - 1 - self._input_from)
        self._input, self._input_from = self._input[keep:], self._input_from + keep
        return first, given


def interpolate(samples: FloatArray, positions: np.ndarray, cutoff: float) -> FloatArray:
    """`samples` at fractional `positions`, band-limited to `cutoff` of their own half rate."""
    if len(positions) == 0:
        return np.zeros(0, np.float32)
    at = np.round(positions * PHASES).astype(np.int64)
    whole, phase = at // PHASES, at % PHASES
    taps = np.arange(1 - HALF_TAPS, HALF_TAPS + 1)
    indices = np.clip(whole[:, None] + taps, 0, len(samples) - 1)
    return np.einsum("nt,nt->n", samples[indices], _kernels(cutoff)[phase]).astype(np.float32)


def _kernels(cutoff: float) -> np.ndarray:
    """(phase, tap): the weights of the taps around a position that lies phase / PHASES after its whole frame."""
    if cutoff not in _KERNELS:
        distance = np.arange(1 - HALF_TAPS, HALF_TAPS + 1) - np.arange(PHASES)[:, None] / PHASES
        window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / HALF_TAPS) ** 2))) / np.i0(KAISER_BETA)
        _KERNELS[cutoff] = (cutoff * np.sinc(cutoff * distance) * window).astype(np.float32)
    return _KERNELS[cutoff]


_KERNELS: dict[float, np.ndarray] = {}


class Mix:
    """The ear's blocks in their order, each with what the page's contexts put out meanwhile."""

    def __init__(self) -> None:
        self.late: list[tuple[int, FloatArray]] = []  # came only when its block was gone
        self._outputs: dict[int, Output] = {}
        self._pieces: list[tuple[int, FloatArray]] = []
        self._held: deque[AudioBlock] = deque()
        self._given_until = 0

    def tap(self, block: AudioBlock) -> list[AudioBlock]:
        self._held.append(block)
        return self._release()

    def output(self, context: int, rate_hz: float, frame: int, at: float, samples: FloatArray) -> list[AudioBlock]:
        """Take a context's block; gives the ear's blocks that waited for it."""
        output = self._outputs.setdefault(context, Output(rate_hz))
        self._pieces += output.take(frame, at, samples)
        return self._release()

    def flush(self) -> list[AudioBlock]:
        """Everything that is still held: the call is over."""
        return [self._mixed(self._held.popleft()) for _ in range(len(self._held))]

    def _release(self) -> list[AudioBlock]:
        released = []
        while self._held and self._is_told(self._held[0].end_frame):
            released.append(self._mixed(self._held.popleft()))
        return released

    def _is_told(self, end: int) -> bool:
        newest = self._held[-1].end_frame
        running = [o for o in self._outputs.values() if newest - o.next_frame <= PATIENCE_FRAMES]
        return all(output.next_frame >= end for output in running)

    def _mixed(self, block: AudioBlock) -> AudioBlock:
        self._given_until, before = block.end_frame, self._given_until
        if not self._pieces:
            return block
        ear, kept = block.ear.copy(), []
        for frame, samples in self._pieces:
            if frame < before:
                self.late.append((frame, samples[: before - frame]))
            begin, end = max(frame, block.frame), min(frame + len(samples), block.end_frame)
            if begin < end:
                ear[begin - block.frame : end - block.frame] += samples[begin - frame : end - frame]
            if frame + len(samples) > block.end_frame:
                at = max(frame, block.end_frame)
                kept.append((at, samples[at - frame :]))
        self._pieces = kept
        return replace(block, ear=ear)
