"""Find one piece of sound in a recording: where it lies, and how sure that is.

Works on the voice band at 8 kHz; positions are samples there, fractional (parabola through the peak). Confidence is the
normalised cross-correlation at the peak, 0 to 1, blind to level. Where the waveform has been changed too much (echo
cancelling, noise suppression) the level's course over time is compared instead, which is good to one hop.
Method: spec/metrics.md (c), steps 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks, oaconvolve

from harness.listen.place.ring import BAND_RATE_HZ, BandArray

MOST_AT_ONCE = 1 << 21  # positions: four minutes, which bounds the memory
QUIETEST_RMS = 10 ** (-70.0 / 20)  # a window below it holds nothing to be found
WAVEFORM_CONFIDENCE = 0.5  # 0.8 s of unrelated speech of one voice reaches 0.41; browser processing leaves 0.65 to 0.9
ENVELOPE_CONFIDENCE = 0.85
ENVELOPE_HOP_MS = 5.0
ENVELOPE_MIN_MS = 400.0
ENVELOPE_FLOOR_DB = -60.0
RIVAL_SHARE = 0.8  # another place that reaches this much of the best makes an envelope match ambiguous


@dataclass(frozen=True)
class Match:
    """The piece's sample 0 stands at `at` (8 kHz samples, fractional) of the recording."""

    at: float
    confidence: float
    error_ms: float = 0.2


def sliding_correlation(piece: BandArray, recording: BandArray) -> BandArray:
    """Normalised cross-correlation at every full overlap; shape (len(recording) − len(piece) + 1,)."""
    n = len(piece)
    if n == 0 or len(recording) < n:
        return np.zeros(0)
    product = oaconvolve(recording, piece[::-1], mode="valid")
    energy = np.concatenate([[0.0], np.cumsum(recording**2)])
    window = energy[n:] - energy[:-n]
    norm = np.sqrt(np.maximum(window, n * QUIETEST_RMS**2) * max(float(np.sum(piece**2)), 1e-12))
    return np.where(window < n * QUIETEST_RMS**2, 0.0, product / norm)


def find_all(piece: BandArray, recording: BandArray, least: float = WAVEFORM_CONFIDENCE) -> list[Match]:
    """Every place where `piece` is heard, in order; two places are at least half the piece apart."""
    correlation = sliding_correlation(piece, recording)
    if len(correlation) == 0:
        return []
    padded = np.concatenate([[-1.0], correlation, [-1.0]])  # so that the edges can be peaks
    peaks, _ = find_peaks(padded, height=least, distance=max(1, len(piece) // 2))
    return [_refined(correlation, int(peak) - 1) for peak in peaks]


def find_best(piece: BandArray, recording: BandArray, window: tuple[float, float] | None = None) -> Match | None:
    """The best place for the piece's sample 0 within `window` (samples); None if nothing there correlates at all."""
    first, last = (0, len(recording)) if window is None else (max(0, int(window[0])), int(window[1]) + 1)
    last = max(first, min(last, len(recording)))
    best: Match | None = None
    for start in range(first, max(first + 1, last), MOST_AT_ONCE):
        part = recording[start : min(last, start + MOST_AT_ONCE) + len(piece)]
        correlation = sliding_correlation(piece, part)
        if len(correlation) == 0 or correlation.max() <= 0:
            continue
        found = _refined(correlation, int(np.argmax(correlation)))
        if best is None or found.confidence > best.confidence:
            best = Match(found.at + start, found.confidence)
    return best


def _refined(correlation: BandArray, peak: int) -> Match:
    at = float(peak)
    if 0 < peak < len(correlation) - 1:
        left, middle, right = correlation[peak - 1 : peak + 2]
        bend = left - 2 * middle + right
        if bend < 0:
            at += float(0.5 * (left - right) / bend)
    return Match(at, float(min(1.0, max(0.0, correlation[peak]))))


def find_by_level(piece: BandArray, recording: BandArray) -> Match | None:
    """The place where the level's course over time fits, or None if none fits or two do."""
    hop = round(BAND_RATE_HZ * ENVELOPE_HOP_MS / 1e3)
    if len(piece) < ENVELOPE_MIN_MS / ENVELOPE_HOP_MS * hop or len(recording) < len(piece):
        return None
    score = _sliding_pearson(_envelope_db(piece, hop), _envelope_db(recording, hop))
    if len(score) == 0:
        return None
    best = int(np.argmax(score))
    around = np.abs(np.arange(len(score)) - best) * ENVELOPE_HOP_MS
    rival = score[around > ENVELOPE_MIN_MS / 2].max(initial=0.0)
    if score[best] < ENVELOPE_CONFIDENCE or rival > RIVAL_SHARE * score[best]:
        return None
    return Match(best * hop, float(score[best]), error_ms=2 * ENVELOPE_HOP_MS)


def _envelope_db(band: BandArray, hop: int) -> npt.NDArray[np.float64]:
    count = len(band) // hop
    power = np.mean(band[: count * hop].reshape(count, hop) ** 2, axis=1)
    return np.maximum(10 * np.log10(power + 1e-12), ENVELOPE_FLOOR_DB)


def _sliding_pearson(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    n = len(x)
    if len(y) < n or x.std() == 0:
        return np.zeros(0)
    z = (x - x.mean()) / x.std()
    sums = np.concatenate([[0.0], np.cumsum(y)])
    squares = np.concatenate([[0.0], np.cumsum(y**2)])
    mean = (sums[n:] - sums[:-n]) / n
    deviation = np.sqrt(np.maximum((squares[n:] - squares[:-n]) / n - mean**2, 0.0))
    return np.where(deviation > 1.0, oaconvolve(y, z[::-1], mode="valid") / (n * np.maximum(deviation, 1.0)), 0.0)
