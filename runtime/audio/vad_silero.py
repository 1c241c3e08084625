"""Silero VAD on CPU: 512 samples at 16 kHz a window, by onnxruntime from the model file of the silero-vad wheel.

`earwitness setup` puts that file into the cache (the wheel itself would bring torch). Each window is preceded by the last
64 samples of the one before (silero-vad's OnnxWrapper). One inference session serves all rooms, each room has its own
recurrent state.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.cached import cached

RATE_HZ = 16_000
WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64
MODEL_VERSION = "6.2.3"  # of the silero-vad wheel (MIT)
MODEL_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
MODEL_FOLDER = f"silero-vad-{MODEL_VERSION}-{MODEL_SHA256[:16]}"  # in the cache
MODEL_FILE = "silero_vad.onnx"


def model_path() -> Path:
    """The cached model file. Raises FileNotFoundError."""
    path = cached(MODEL_FOLDER) / MODEL_FILE
    if not path.is_file():
        raise FileNotFoundError(f"the voice activity model is not at {path}; run `earwitness setup`")
    return path


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """One stream's voice activity; see `runtime.engines.protocols.VoiceActivity`."""

    rate_hz = RATE_HZ
    window_samples = WINDOW_SAMPLES

    def __init__(self) -> None:
        self._session = _session()
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._rate = np.array(RATE_HZ, np.int64)

    def probability(self, window: npt.NDArray[np.int16]) -> float:
        """`window`: int16, shape (512,)."""
        x = np.concatenate([self._context, window.astype(np.float32) / 32768])
        inputs = {"input": x[None, :], "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, inputs)
        self._context = x[-CONTEXT_SAMPLES:]
        return float(probability[0, 0])
