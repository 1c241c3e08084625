"""How something was said: level, pitch, rate, and a label by rule. Pure; int16 mono in, one record out.

Level: RMS of the voiced frames, dBFS. Pitch: normalised autocorrelation in frames of 40 ms, 60 to 400 Hz; its spread is the
10th to 90th percentile in semitones. Rate: syllable nuclei (voiced intensity peaks that stand 2 dB out; de Jong and Wempe
2009) a second. The label is arousal by rule of thumb on absolute figures, without regard to speaker or microphone: only a
hint.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from runtime.engines.protocols import Int16Array

FRAME_S, HOP_S = 0.040, 0.010
LOWEST_HZ, HIGHEST_HZ = 60.0, 400.0
VOICED_CORRELATION = 0.5
VOICED_BELOW_LOUDEST_DB = 30.0
NUCLEUS_DB = 2.0  # how far a peak of intensity stands out
NUCLEUS_APART_S = 0.08
SHORTEST_VOICED_S = 0.2
HIGH_LEVEL_DBFS, LOW_LEVEL_DBFS = -18.0, -36.0
HIGH_RATE_PER_S, LOW_RATE_PER_S = 5.5, 2.5
HIGH_SPREAD_ST, LOW_SPREAD_ST = 9.0, 3.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paralinguistics:
    """`why` holds the reason for each figure that is None."""

    level_dbfs: float | None = None
    pitch_hz: float | None = None
    pitch_spread_st: float | None = None
    rate_per_s: float | None = None
    emotion: str | None = None  # agitated, neutral, subdued
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            name: round(v, 2) if isinstance(v, float) else v for name, v in asdict(self).items() if v not in (None, "")
        }


def describe(samples: Int16Array, rate_hz: int) -> Paralinguistics:
    size, hop = int(FRAME_S * rate_hz), int(HOP_S * rate_hz)
    if len(samples) < size:
        return Paralinguistics(why=f"shorter than {1e3 * FRAME_S:.0f} ms")
    x = samples.astype(np.float64) / 32_768.0
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    power = np.mean(frames**2, axis=1)
    if power.max() <= 0:
        return Paralinguistics(why="silence")
    pitch_hz = _pitches(frames, rate_hz)
    loud = power >= power.max() * 10 ** (-VOICED_BELOW_LOUDEST_DB / 10)
    voiced = loud & np.isfinite(pitch_hz)
    if voiced.sum() * HOP_S < SHORTEST_VOICED_S:
        return Paralinguistics(why="nothing voiced in it")
    level = float(10 * np.log10(power[voiced].mean()))
    low, middle, high = np.percentile(pitch_hz[voiced], [10, 50, 90])
    spread = float(12 * np.log2(high / low))
    rate = _rate(power, voiced)
    return Paralinguistics(level, float(middle), spread, rate, _emotion(level, rate, spread))


def _pitches(frames: Floats, rate_hz: int) -> Floats:
    """Hz of each frame; NaN where it is not periodic. Autocorrelation by FFT, divided by its window's own (Boersma 1993)."""
    size = frames.shape[1]
    window = np.hanning(size)
    n_fft = 1 << (2 * size - 1).bit_length()

    def correlated(rows: Floats) -> Floats:
        spectrum = np.abs(np.fft.rfft(rows, n_fft)) ** 2
        return np.asarray(np.fft.irfft(spectrum)[..., :size])

    own = correlated((frames - frames.mean(axis=1, keepdims=True)) * window)
    of_window = correlated(window)
    first, last = int(rate_hz / HIGHEST_HZ), min(int(rate_hz / LOWEST_HZ), size - 2)
    lags = np.arange(first, last + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = (own / own[:, :1])[:, first : last + 1] / (of_window / of_window[0])[first : last + 1]
    normal = np.nan_to_num(normal)
    best = np.argmax(normal - 0.01 * np.log2(lags / first), axis=1)  # prefer the shorter period among equal peaks
    strength = np.take_along_axis(normal, best[:, None], axis=1)[:, 0]
    return np.where(strength >= VOICED_CORRELATION, rate_hz / lags[best], np.nan)


def _rate(power: Floats, voiced: npt.NDArray[np.bool_]) -> float | None:
    where = np.flatnonzero(voiced)
    span_s = (where[-1] - where[0] + 1) * HOP_S
    floor = power.max() * 10 ** (-VOICED_BELOW_LOUDEST_DB / 10)
    intensity_db = np.pad(10 * np.log10(np.maximum(power, floor)), 1, constant_values=10 * np.log10(floor))
    peaks, _ = find_peaks(intensity_db, prominence=NUCLEUS_DB, distance=int(NUCLEUS_APART_S / HOP_S))
    nuclei = int(voiced[peaks - 1].sum())
    return float(nuclei / span_s) if nuclei else None


def _emotion(level_dbfs: float, rate_per_s: float | None, spread_st: float) -> str:
    """Two of three signs make a label."""
    fast = rate_per_s is not None and rate_per_s >= HIGH_RATE_PER_S
    slow = rate_per_s is not None and rate_per_s <= LOW_RATE_PER_S
    if [level_dbfs >= HIGH_LEVEL_DBFS, fast, spread_st >= HIGH_SPREAD_ST].count(True) >= 2:
        return "agitated"
    if [level_dbfs <= LOW_LEVEL_DBFS, slow, spread_st <= LOW_SPREAD_ST].count(True) >= 2:
        return "subdued"
    return "neutral"
