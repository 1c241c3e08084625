"""Silero VAD on CPU: 512 samples at 16 kHz a window, by onnxruntime from the model file inside the silero-vad wheel.

The wheel's own Python API needs torch; the model does not. Each window is preceded by the last 64 samples of the one
before (silero-vad's OnnxWrapper). One inference session serves all rooms, each room has its own recurrent state.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
WINDOW_SAMPLES = 512
CONTEXT_SAMPLES = 64


def model_path() -> Path:
    spec = find_spec("silero_vad")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(place) / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    raise FileNotFoundError("silero-vad's model is not installed: pip install 'earwitness[runtime]'")


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
