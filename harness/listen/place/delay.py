"""The course of the lag between two recordings of one reply: d(t), every 20 ms, and how sure it is.

A jitter buffer stretches, shortens and drops; the lag is therefore a function of time. Windows of 128 ms of the first
recording are looked for within ±60 ms of the lag so far, with a wide search where that fails. Voice band at 8 kHz,
positions are samples there. Method: spec/metrics.md (c), recipe and Table 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import median_filter

from harness.listen.place.onset import runs
from harness.listen.place.ring import BAND_RATE_HZ, BandArray

WINDOW = 1_024  # 128 ms
HOP = 160  # 20 ms
NEAR = 480  # ±60 ms
WIDE = 4_800  # ±600 ms
BLOCK = 25  # windows that share one centre: half a second
WINDOW_DBFS = -50.0
GOOD = 0.7
WIDE_GOOD = 0.85
WIDE_GAIN = 0.15
MEDIAN_WINDOWS = 13  # 260 ms: drops wrong fits of windows at both edges of a hole; real steps stay
OUTLIER = 0.1  # a hole of 30 ms costs a window this much of its correlation
STEP_MS = 1.5  # a change of lag between neighbours above this is a step, not drift
LOST_WINDOWS = 10  # 200 ms of sound that is not found: here the reply was cut
ENERGY_FLOOR = WINDOW * 10 ** (-75.0 / 10)

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class DelayTrack:
    """`at`: window centres in the first recording; `lag`: position in the second minus position in the first (good
    windows only, median-filtered). `correlation`: of every window that held sound, good or not.
    """

    at: npt.NDArray[np.float64]
    lag: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]

    @property
    def found(self) -> bool:
        return len(self.at) > 0

    def lag_at(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.interp(positions, self.at, self.lag)

    def restlessness(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How much the lag changes within one window around each position: the mapping's local uncertainty."""
        around = positions[:, None] + np.linspace(-WINDOW / 2, WINDOW / 2, 5)[None, :]
        lags = self.lag_at(around.ravel()).reshape(around.shape)
        spread: npt.NDArray[np.float64] = np.ptp(lags, axis=1)
        return spread

    @property
    def identity(self) -> float:
        """Median correlation: is this the same sound?"""
        return float(np.median(self.correlation)) if len(self.correlation) else 0.0

    def steps_ms(self) -> npt.NDArray[np.float64]:
        change = np.diff(self.lag) * 1e3 / BAND_RATE_HZ
        return change[np.abs(change) > STEP_MS]


def track_delay(a: BandArray, span: tuple[int, int], b: BandArray, lag: float, *, cut: bool = False) -> DelayTrack:
    """Lag of b to a over a[span]; `lag` is where to begin looking. `cut`: b may end before a, and is followed until then."""
    starts = _windows_with_sound(a, span)
    lags = np.full(len(starts), np.nan)
    scores = np.zeros(len(starts))
    for first in range(0, len(starts), BLOCK):
        block = slice(first, first + BLOCK)
        near, score = _search(a, starts[block], b, lag, NEAR)
        doubtful = score < GOOD
        if doubtful.any():
            wide, wide_score = _search(a, starts[block][doubtful], b, lag, WIDE)
            better = (wide_score >= WIDE_GOOD) & (wide_score > score[doubtful] + WIDE_GAIN)
            places = np.flatnonzero(doubtful)[better]
            near[places], score[places] = wide[better], wide_score[better]
        lags[block], scores[block] = near, score
        good = near[score >= GOOD]
        if len(good) >= 3:
            lag = float(np.median(good[-9:]))
    if cut:
        followed = _followed(scores >= GOOD)
        starts, lags, scores = starts[:followed], lags[:followed], scores[:followed]
    good_ones = _trusted(scores)
    kept = lags[good_ones]
    return DelayTrack(
        at=starts[good_ones].astype(np.float64) + WINDOW / 2,
        lag=median_filter(kept, size=MEDIAN_WINDOWS, mode="nearest") if len(kept) else kept,
        correlation=scores,
    )


def _trusted(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Good windows not much worse than their neighbours: a window with a hole fits best at a wrong place."""
    usual = median_filter(scores, size=BLOCK, mode="nearest") if len(scores) else scores
    return (scores >= GOOD) & (scores >= usual - OUTLIER)


def _followed(good: npt.NDArray[np.bool_]) -> int:
    """How many windows there are before the sound is lost for good."""
    lost = next(
        (first for first, last in runs(~good) if last - first + 1 >= LOST_WINDOWS or last == len(good) - 1), None
    )
    return len(good) if lost is None else lost


def _windows_with_sound(a: BandArray, span: tuple[int, int]) -> Indices:
    first, last = max(0, span[0]), min(len(a), span[1]) - WINDOW
    starts = np.arange(first, max(first, last) + 1, HOP, dtype=np.int64)
    starts = starts[starts + WINDOW <= len(a)]
    part = a[first : int(starts[-1]) + WINDOW] if len(starts) else a[:0]
    energy = np.concatenate([[0.0], np.cumsum(part**2)])
    within = starts - first
    return starts[(energy[within + WINDOW] - energy[within]) / WINDOW > 10 ** (WINDOW_DBFS / 10)]


def _search(
    a: BandArray, starts: Indices, b: BandArray, lag: float, reach: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Best lag within lag ± reach for each window, and its correlation. All windows in one batch of FFTs."""
    if len(starts) == 0:
        return np.zeros(0), np.zeros(0)
    origin = starts + round(lag) - reach
    windows = a[starts[:, None] + np.arange(WINDOW)]
    index = origin[:, None] + np.arange(WINDOW + 2 * reach)
    inside = (index >= 0) & (index < len(b))
    segments = np.where(inside, b[np.clip(index, 0, len(b) - 1)], 0.0) if len(b) else np.zeros(index.shape)
    size = next_fast_len(WINDOW + 2 * reach, real=True)
    spectrum = rfft(segments, size) * np.conj(rfft(windows, size))
    product = irfft(spectrum, size)[:, : 2 * reach + 1]
    energy = np.concatenate([np.zeros((len(starts), 1)), np.cumsum(segments**2, axis=1)], axis=1)
    heard = energy[:, WINDOW:] - energy[:, :-WINDOW]
    score = product / np.sqrt(np.maximum(heard, ENERGY_FLOOR) * np.sum(windows**2, axis=1)[:, None])
    peak = np.argmax(score, axis=1)
    rows = np.arange(len(starts))
    shift, height = _parabola(score, rows, peak)
    return origin - starts + peak + shift, height


def _parabola(
    score: npt.NDArray[np.float64], rows: Indices, peak: Indices
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(sub-sample shift of each row's peak, its height); at the border the sample itself."""
    inner = (peak > 0) & (peak < score.shape[1] - 1)
    middle = np.where(inner, peak, 1)
    left, centre, right = score[rows, middle - 1], score[rows, middle], score[rows, middle + 1]
    bend = left - 2 * centre + right
    curved = inner & (bend < 0)
    shift = np.where(curved, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    height = np.where(curved, centre - 0.25 * (left - right) * shift, score[rows, peak])
    return shift, np.minimum(height, 1.0)
