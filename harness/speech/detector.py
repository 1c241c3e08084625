"""Silero's speech detector over a whole recording: how likely somebody speaks, for each 32 ms.

The model is the file that `earwitness setup` keeps for the reference agent; onnxruntime comes with the extra `runtime`. The
windows are run here, not by the agent's own code: what measures and what is measured share no arithmetic. A recording of
hours is gone through a minute at a time. Sound is 48 kHz mono, full scale ±1.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

WINDOW_SAMPLES, CONTEXT_SAMPLES, RATE_HZ = 512, 64, 16_000
FACTOR = 3  # 48 kHz → 16 kHz
MARGIN = 4_800  # beside each minute, so that resampling has no edge there
MINUTE = 1_875 * WINDOW_SAMPLES * FACTOR


class NoDetectorError(Exception):
    """The detector is not here; the message says how to get it."""


@cache
def _session() -> Any:
    from runtime.audio.vad_silero import (
        model_path,
    )  # here: pytest of a repository with a `runtime` of its own loads this module

    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise NoDetectorError("onnxruntime is not installed: pip install 'earwitness[runtime]'") from error
    try:
        path = model_path()
    except FileNotFoundError as error:
        raise NoDetectorError(str(error)) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def speech_probabilities(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """One probability a window of 32 ms; the last window is filled with silence. Raises NoDetectorError."""
    session = _session()
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT_SAMPLES, np.float32)
    rate, found = np.array(RATE_HZ, np.int64), []
    for first in range(0, len(samples), MINUTE):
        sound = at_16khz(samples, first, min(first + MINUTE, len(samples)))
        sound = np.concatenate([sound, np.zeros(-len(sound) % WINDOW_SAMPLES)]).astype(np.float32)
        for window in sound.reshape(-1, WINDOW_SAMPLES):
            x = np.concatenate([context, window])
            probability, state = session.run(None, {"input": x[None, :], "state": state, "sr": rate})
            context = x[-CONTEXT_SAMPLES:]
            found.append(float(probability[0, 0]))
    return np.array(found)


def at_16khz(samples: npt.NDArray[np.floating], start: int, end: int) -> npt.NDArray[np.float64]:
    """[start, end) of a 48 kHz recording; `start` is a multiple of 3."""
    from scipy.signal import resample_poly  # slow to load, and most cases are in the cache

    low = max(0, start - MARGIN)
    part = np.asarray(samples[low : end + MARGIN], np.float64)
    first = (start - low) // FACTOR
    return np.asarray(resample_poly(part, 1, FACTOR))[first : first + -(-(end - start) // FACTOR)]
