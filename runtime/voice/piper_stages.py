"""The voice's graph in three pieces: text encoder, flow, vocoder. Their product is the whole graph's, bit by bit.

A frame is 256 samples (11.6 ms); what lies between the pieces is float32, shape (192, n_frames). The encoder needs the whole
sentence; a frame of the flow's output depends on 32 frames to either side of it, one of the vocoder's on 11: convolutions alone,
so these two can run on a part of the sentence with that much around it. The graph is cut at every start (0.1 s), so that nothing
which was cut has to be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.voice.onnx_graph import cut
from runtime.voice.piper import FRAMES_OF_PHONEMES, Ids, open_session

MEAN_OF_PHONEMES = "/enc_p/Split_output_0"  # what the flow begins with where there is no noise, a column a phoneme
FLOW_INPUT = "/Add_output_0"
FLOW_MASK = "/Cast_2_output_0"  # 1 for every frame of a sentence that is alone in its batch
VOCODER_INPUT = "/Mul_7_output_0"
ENCODER_INPUTS = ("input", "input_lengths", "scales")
FLOW_REACH = 32  # frames

Frames = npt.NDArray[np.float32]
Samples = npt.NDArray[np.float32]


class InterruptedSynthesisError(Exception):
    """Nobody wants this speech any more."""


@dataclass
class Interrupt:
    """Stops what runs under it, in another thread, between two operators: within a millisecond or two."""

    options: Any = field(default_factory=lambda: _run_options())

    def set(self) -> None:
        self.options.terminate = True

    @property
    def is_set(self) -> bool:
        return bool(self.options.terminate)


def _run_options() -> Any:
    import onnxruntime

    return onnxruntime.RunOptions()


class PiperStages:
    """Loads as long as the whole voice does, about a second, and is safe in several threads."""

    def __init__(self, model: bytes) -> None:
        self._encoder = open_session(cut(model, ENCODER_INPUTS, [MEAN_OF_PHONEMES, FRAMES_OF_PHONEMES]))
        self._flow = open_session(cut(model, [FLOW_INPUT, FLOW_MASK], [VOCODER_INPUT]))
        self._vocoder = open_session(cut(model, [VOCODER_INPUT], ["output"]))

    def encoded(self, ids: Ids, stop: Interrupt) -> Frames:
        """The sentence as the flow takes it. Raises InterruptedSynthesisError, as all of these do."""
        inputs = {
            "input": ids[None, :],
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([0.0, 1.0, 0.0], np.float32),  # noise, length, noise of the durations
        }
        mean, frames = _run(self._encoder, [MEAN_OF_PHONEMES, FRAMES_OF_PHONEMES], inputs, stop)
        return np.repeat(mean[0], frames.reshape(-1).astype(np.int64), axis=1)

    def flowed(self, frames: Frames, stop: Interrupt) -> Frames:
        mask = np.ones((1, 1, frames.shape[1]), np.float32)
        inputs = {FLOW_INPUT: np.ascontiguousarray(frames[None]), FLOW_MASK: mask}
        found: Frames = _run(self._flow, [VOCODER_INPUT], inputs, stop)[0][0]
        return found

    def sounded(self, frames: Frames, stop: Interrupt) -> Samples:
        inputs = {VOCODER_INPUT: np.ascontiguousarray(frames[None])}
        samples: Samples = _run(self._vocoder, ["output"], inputs, stop)[0].reshape(-1)
        return samples


def _run(session: Any, outputs: list[str], inputs: dict[str, Any], stop: Interrupt) -> list[Any]:
    if stop.is_set:
        raise InterruptedSynthesisError
    try:
        found: list[Any] = session.run(outputs, inputs, stop.options)
    except Exception as error:  # onnxruntime's own, which has no name for this
        if stop.is_set:
            raise InterruptedSynthesisError from error
        raise
    return found
