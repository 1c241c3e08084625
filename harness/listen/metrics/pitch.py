"""Whether a reply arrives at another pitch than it was published at: the shift of its spectrum on a logarithmic axis.

Its speed is followed by `harness.listen.place.course`. Method: spec/metrics.md (c), steps 1b and 5, Table 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.pair import FREQUENCIES_HZ, FloatArray, in_db, power_spectrum

BINS_PER_OCTAVE = 96
LOG_HZ = (150.0, 4_000.0)
MAX_SHIFT_OCTAVES = 0.4
PITCH_CONFIDENCE = 0.35


@dataclass(frozen=True)
class Shift:
    """Ratio of the frequencies heard to those published, and how well the shifted spectra agree (0 to 1)."""

    ratio: float
    confidence: float


def frequency_shift(published: npt.NDArray[np.float32], heard: npt.NDArray[np.float32]) -> Shift | None:
    """Both stretched to one length already. None if the spectra cannot be compared."""
    n = min(len(published), len(heard))
    a, b = _log_spectra(published[:n]), _log_spectra(heard[:n])
    frames = min(a.shape[1], b.shape[1])
    a, b = a[:, :frames], b[:, :frames]
    loud = a.max(axis=0) > a.max() - 35
    if np.count_nonzero(loud) < 10:
        return None
    a, b = _contrast(a[:, loud]), _contrast(b[:, loud])
    reach = round(MAX_SHIFT_OCTAVES * BINS_PER_OCTAVE)
    shifts = np.arange(-reach, reach + 1)
    fit = np.array([_agreement(a, b, int(shift)) for shift in shifts])
    peak = int(np.argmax(fit))
    at = float(shifts[peak])
    if 0 < peak < len(fit) - 1:
        left, middle, right = fit[peak - 1 : peak + 2]
        bend = left - 2 * middle + right
        at += float(0.5 * (left - right) / bend) if bend < 0 else 0.0
    confidence = float(fit[peak])
    return Shift(float(2 ** (at / BINS_PER_OCTAVE)), confidence) if confidence >= PITCH_CONFIDENCE else None


def _log_spectra(samples: npt.NDArray[np.float32]) -> FloatArray:
    octaves = np.log2(LOG_HZ[1] / LOG_HZ[0])
    at_hz = LOG_HZ[0] * 2 ** (np.arange(round(octaves * BINS_PER_OCTAVE)) / BINS_PER_OCTAVE)
    spectra = in_db(power_spectrum(samples))
    place = np.interp(at_hz, FREQUENCIES_HZ, np.arange(len(FREQUENCIES_HZ)))
    low = np.floor(place).astype(int)
    part = (place - low)[:, None]
    mixed: FloatArray = spectra[low] * (1 - part) + spectra[low + 1] * part
    return mixed


def _contrast(spectra: FloatArray) -> FloatArray:
    """What stands out from its surroundings: harmonics and formants, whatever the overall tilt."""
    kernel = np.ones(BINS_PER_OCTAVE) / BINS_PER_OCTAVE
    smooth = np.apply_along_axis(lambda column: np.convolve(column, kernel, mode="same"), 0, spectra)
    out: FloatArray = spectra - smooth
    return out


def _agreement(a: FloatArray, b: FloatArray, shift: int) -> float:
    x, y = (a[: len(a) - shift], b[shift:]) if shift >= 0 else (a[-shift:], b[: len(b) + shift])
    return float(np.sum(x * y) / np.sqrt(np.sum(x**2) * np.sum(y**2) + 1e-9))
