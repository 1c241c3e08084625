"""Where a clean utterance is voiced: first and last sample above a level, from 5 ms RMS. Pure.

The level is 40 dB below the utterance's loudest 5 ms, never below −65 dBFS: speech has about 30 dB of dynamics and
a synthesiser's silence is digital, so the same words give the same samples at any level (metrics.md (e) has −45 dBFS
for speech near −20 dBFS, which is the same rule at that level). Resolution: 1 ms steps, then the sample that crosses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FRAME_MS = 5.0
HOP_MS = 1.0
BELOW_PEAK_DB = 40.0
FLOOR_DBFS = -65.0


def frame_rms(samples: npt.NDArray[np.float64], rate_hz: int) -> npt.NDArray[np.float64]:
    """RMS of frames of FRAME_MS every HOP_MS, the first beginning at sample 0."""
    frame, hop = int(FRAME_MS * rate_hz / 1e3), int(HOP_MS * rate_hz / 1e3)
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    starts = np.arange(0, max(1, len(samples) - frame + 1), hop)
    ends = np.minimum(starts + frame, len(samples))
    return np.sqrt((energy[ends] - energy[starts]) / frame)


def threshold(rms: npt.NDArray[np.float64]) -> float:
    return float(max(np.max(rms, initial=0.0) * 10 ** (-BELOW_PEAK_DB / 20), 10 ** (FLOOR_DBFS / 20)))


def voiced_span(samples: npt.NDArray[np.float64], rate_hz: int) -> tuple[int, int] | None:
    """[first, last + 1) voiced sample of `samples` (full scale ±1), or None if nothing is above the floor."""
    rms = frame_rms(samples, rate_hz)
    limit = threshold(rms)
    loud = np.flatnonzero(rms > limit)
    if len(loud) == 0:
        return None
    frame, hop = int(FRAME_MS * rate_hz / 1e3), int(HOP_MS * rate_hz / 1e3)
    start, end = loud[0] * hop, min(loud[-1] * hop + frame, len(samples))
    above = np.flatnonzero(np.abs(samples[start:end]) > limit)
    if len(above) == 0:
        return int(start), int(end)
    return int(start + above[0]), int(start + above[-1] + 1)
