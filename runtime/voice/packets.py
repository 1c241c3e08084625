"""A sentence of the neural voice in packets: the first sound is there before the rest is computed.

The text encoder runs once. Flow and vocoder run on a packet of frames with the frames around it that it depends on, and what
these give is thrown away. Where an operator gets more than 64 frames, onnxruntime sums a frame up in the same order as for the
whole sentence: such a packet is the whole synthesis bit by bit. The first is shorter, because somebody waits for it, and differs
by how float32 rounds (SNR 120 dB; other packets and contexts: docs/why/neural_voice.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from runtime.voice.piper import FRAME_SAMPLES, Ids
from runtime.voice.piper_stages import FLOW_REACH, Frames, Interrupt, PiperStages, Samples

ALIKE_FROM = 65  # frames at a time that are computed like a whole sentence


@dataclass(frozen=True)
class Packing:
    """In frames. `first`: the first packet; `later`: the others, which cost less a frame the longer they are; `context`: what
    the vocoder gets to either side of a packet.
    """

    first: int = 16
    later: int = 48
    context: int = 12

    def ends(self, n_frames: int) -> Iterator[int]:
        """Where each packet ends."""
        end = self.first
        while end < n_frames:
            yield end
            end += self.later
        if n_frames:
            yield n_frames


PACKING = Packing()


@dataclass
class _Latent:
    """What the vocoder takes, as far as it is needed."""

    stages: PiperStages
    encoded: Frames
    stop: Interrupt
    _made: Frames = field(init=False)
    _done: int = 0

    def __post_init__(self) -> None:
        self._made = np.empty_like(self.encoded)

    def between(self, start: int, end: int) -> Frames:
        if self._done < end:
            self._more(end)
        return self._made[:, start:end]

    def _more(self, end: int) -> None:
        n_frames = self.encoded.shape[1]
        left, right = max(0, self._done - FLOW_REACH), min(n_frames, end + FLOW_REACH)
        left, right = wide_enough(left, right, n_frames)
        until = n_frames if right == n_frames else right - FLOW_REACH
        flowed = self.stages.flowed(self.encoded[:, left:right], self.stop)
        self._made[:, self._done : until] = flowed[:, self._done - left : until - left]
        self._done = until


def wide_enough(left: int, right: int, n_frames: int) -> tuple[int, int]:
    """At least ALIKE_FROM frames, where there are so many."""
    right = min(n_frames, max(right, left + ALIKE_FROM))
    return max(0, min(left, right - ALIKE_FROM)), right


def packets(stages: PiperStages, ids: Ids, stop: Interrupt, packing: Packing = PACKING) -> Iterator[Samples]:
    """The samples of one sentence, packet by packet. Raises InterruptedSynthesisError."""
    encoded = stages.encoded(ids, stop)
    latent = _Latent(stages, encoded, stop)
    n_frames, start = encoded.shape[1], 0
    for end in packing.ends(n_frames):
        left, right = max(0, start - packing.context), min(n_frames, end + packing.context)
        if start:
            left = max(0, min(left, right - ALIKE_FROM))
        samples = stages.sounded(latent.between(left, right), stop)
        yield samples[(start - left) * FRAME_SAMPLES : (end - left) * FRAME_SAMPLES]
        start = end
