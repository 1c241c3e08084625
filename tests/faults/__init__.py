"""Known faults for the reference agent's audio hooks (EARWITNESS_AUDIO_FILTER_POST=tests.faults:hole)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Filter = Callable[[np.ndarray], np.ndarray]


def hole(rate_hz: int, room: str) -> Filter:
    """250 ms of silence, 500 ms into each stretch of sound."""
    heard = 0

    def apply(frame: np.ndarray) -> np.ndarray:
        nonlocal heard
        heard = heard + len(frame) if np.any(frame) else 0
        inside = 0.5 * rate_hz < heard <= 0.75 * rate_hz
        return np.zeros_like(frame) if inside else frame

    return apply


def clip(rate_hz: int, room: str) -> Filter:
    """20 dB too loud, cut off at full scale."""
    return lambda frame: np.clip(frame.astype(np.int32) * 10, -32768, 32767).astype(np.int16)
