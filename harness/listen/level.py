"""How loud a reply is, and whether it is clipped. Levels are RMS at full scale ±1 over frames that can be heard.

H-61, H-66, H-75: a reply is audible from RMS 0.01 on; a sample of 0.999 or more is a full-scale sample.
"""

from __future__ import annotations

import numpy as np

from harness.model.audio import Audio

FRAME_MS = 20.0
AUDIBLE_FRAME_DBFS = -50.0
AUDIBLE_RMS = 0.01
FULL_SCALE = 0.999


def active_rms(audio: Audio) -> float:
    """RMS over the 20 ms frames above −50 dBFS; over everything if there is no such frame."""
    size = round(audio.rate_hz * FRAME_MS / 1e3)
    count = len(audio) // size
    if count == 0:
        return float(np.sqrt(np.mean(audio.samples**2, dtype=np.float64))) if len(audio) else 0.0
    power = np.mean(audio.samples[: count * size].reshape(count, size).astype(np.float64) ** 2, axis=1)
    active = power[power > 10 ** (AUDIBLE_FRAME_DBFS / 10)]
    return float(np.sqrt((active if len(active) else power).mean()))


def clipping_ratio(audio: Audio) -> float | None:
    """Share of full-scale samples; None of nothing."""
    if len(audio) == 0:
        return None
    return float(np.count_nonzero(np.abs(audio.samples) >= FULL_SCALE) / len(audio))
