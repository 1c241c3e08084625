"""Rejoin the arrived sound where the lag moves: blocks of 4 ms, each placed where it best fits the published sound.

A jitter buffer that catches up cuts or stretches within a few ms. The lag's course is found over windows of 128 ms, so around
such a step it is off by as much as the step, and a comparison sample by sample says nothing. Short blocks fit on either
side of it. A block counts only where it fits well and its neighbours were found at the same lag: the seam itself does not.
`rejoined` serves comparisons sample by sample, `placed_again` spectra of frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.signal import butter, sosfiltfilt

from harness.listen.place.onset import runs
from harness.listen.place.pair import HOP, PER_MS, RATE_HZ, WINDOW, BoolArray, FloatArray, ReplyPair
from harness.listen.place.ring import DECIMATION

HIGH_PASS_HZ = 300.0  # below it Opus turns the phase, and the difference says nothing
RESTLESS_FRAMES = 10  # on either side of a step the lag's course is not exact
BLOCK = 4 * PER_MS
HALF_WINDOW = 12 * PER_MS
AROUND_MS = 300  # a block is looked for at the lags found within this
SLACK = 3 * PER_MS  # and this far beyond them
REACH = 60 * PER_MS  # or this far: the lag's course misses a move back and forth within a quarter of a second
WIDEST = 200 * PER_MS  # a lag that moved by more was lost, not moved
FINE = 8  # samples at the full rate
ALIKE = 0.8  # correlation of a block without its CLICK_MS worst: a click in it must not decide
CLICK_MS = 2
STEP_PRICE = 0.5  # per step of the lag, as summed correlation
MARGIN = 50 * PER_MS  # the filter's own beginning
STEADY_MS = 17  # the window in which a steady lag
STEADY = 2 * PER_MS  # varies by less than this
SEAM_MS = 60  # a cross-fade, and blocks not surely on either side of it


@dataclass(frozen=True, eq=False)
class Rejoined:
    """The pair's samples above HIGH_PASS_HZ, at pre's level: `pre`; the arrived sound `as_placed` by the lag's course;
    the same rejoined, `heard`. `restless`, `sure`: of each ms.
    """

    pre: FloatArray
    as_placed: FloatArray
    heard: FloatArray
    restless: BoolArray
    sure: BoolArray


def rejoined(pair: ReplyPair) -> Rejoined:
    """The pair, with the sound that arrived while the lag moved rejoined. `sure`: restless, and placed well."""
    pre = _high_passed(pair.pre)
    as_placed = _high_passed(pair.heard)
    heard = as_placed.copy()
    n_ms = len(pre) // PER_MS
    restless = _restless(pair, n_ms)
    alike, lag = np.zeros(n_ms), np.zeros(n_ms)
    for block in _blocks_found(pair, pre, restless, SLACK):
        heard[block.start : block.end] = block.heard
        alike[block.in_ms], lag[block.in_ms] = block.alike, block.lag
    return Rejoined(pre, as_placed, heard, restless, restless & (alike >= ALIKE) & _steady(lag))


@dataclass(frozen=True, eq=False)
class PlacedAgain:
    """`place`: position in the ring for each of the pair's samples. For each ms: `fits`, the sound there is the published
    one; `moved`, it is a jitter buffer's seam, with another lag behind it than before it.
    """

    place: npt.NDArray[np.int64]
    fits: BoolArray
    moved: BoolArray


def placed_again(pair: ReplyPair, doubtful: BoolArray) -> PlacedAgain:
    """`doubtful`: the ms to look for again, within REACH of where the lag's course places them."""
    n_ms = len(pair.place) // PER_MS
    at = pair.first + np.arange(len(pair.place))
    place = pair.place.copy()
    lag = (pair.place - at)[::PER_MS][:n_ms].astype(np.float64)
    alike = np.where(doubtful, 0.0, 1.0)
    for block in _blocks_found(pair, _high_passed(pair.pre), doubtful, REACH):
        if block.alike >= ALIKE:
            place[block.start : block.end] = at[block.start : block.end] + block.lag
            alike[block.in_ms], lag[block.in_ms] = block.alike, block.lag
    fits = (alike >= ALIKE) & _steady(lag)
    return PlacedAgain(place, fits, _seams(fits, lag))


def _seams(fits: BoolArray, lag: FloatArray) -> BoolArray:
    """The ms that briefly fit nowhere, between two lags; a longer misfit means that more is wrong than the lag."""
    seams = np.zeros(len(fits), np.bool_)
    for first, last in runs(~fits):
        inside = first > 0 and last + 1 < len(fits)
        if inside and last + 1 - first <= SEAM_MS and abs(lag[last + 1] - lag[first - 1]) >= STEADY:
            seams[first : last + 1] = True
    return seams


def _steady(lag: FloatArray) -> BoolArray:
    return np.asarray(maximum_filter1d(lag, STEADY_MS) - minimum_filter1d(lag, STEADY_MS) < STEADY)


@dataclass(frozen=True, eq=False)
class Block:
    """Samples `start` to `end` of the pair, found at `lag`; `heard`: the sound there, high-passed, at pre's level."""

    start: int
    end: int
    lag: int
    alike: float
    heard: FloatArray

    @property
    def in_ms(self) -> slice:
        return slice(self.start // PER_MS, self.end // PER_MS)


def _blocks_found(pair: ReplyPair, pre: FloatArray, doubtful: BoolArray, slack: int) -> Iterator[Block]:
    """The blocks of each run of doubtful ms. `slack`: how far beyond the lags around it a block is looked for."""
    lags = pair.place - (pair.first + np.arange(len(pair.place)))
    for first_ms, last_ms in runs(doubtful):
        near = lags[max(0, first_ms - AROUND_MS) * PER_MS : (last_ms + 1 + AROUND_MS) * PER_MS]
        beyond = min(slack, max(SLACK, (WIDEST - int(np.ptp(near))) // 2))
        lowest, highest = int(near.min()) - beyond, int(near.max()) + beyond
        if highest - lowest > WIDEST:
            continue
        starts = np.arange(first_ms * PER_MS, (last_ms + 1) * PER_MS, BLOCK)
        ring = _arrived(pair, pair.first + int(starts[0]) + lowest, pair.first + int(starts[-1]) + highest)
        for start, coarse in zip(starts.tolist(), _course(pair, starts, lowest, highest), strict=True):
            end = min(start + BLOCK, (last_ms + 1) * PER_MS)
            found = _to_the_sample(pre, ring, start, coarse - lowest + int(start - starts[0]))
            if found is None:
                continue
            shift, score = found
            at = start + MARGIN + coarse + shift - lowest - int(starts[0])
            yield Block(start, end, coarse + shift, score, ring[at : at + end - start])


def _restless(pair: ReplyPair, n_ms: int) -> BoolArray:
    spread = maximum_filter1d((~pair.settled).astype(np.uint8), 2 * RESTLESS_FRAMES + 1)
    frames = (np.arange(n_ms) * PER_MS - WINDOW // 2) // HOP
    return np.asarray(spread[np.clip(frames, 0, len(spread) - 1)] != 0)


def _high_passed(samples: npt.NDArray[np.floating]) -> FloatArray:
    return np.asarray(sosfiltfilt(butter(2, HIGH_PASS_HZ, "highpass", fs=RATE_HZ, output="sos"), samples))


def _arrived(pair: ReplyPair, first: int, last: int) -> FloatArray:
    """The ring's recording from MARGIN ahead of `first` to MARGIN behind `last`, high-passed, at pre's level."""
    wanted = np.arange(first - MARGIN, last + MARGIN)
    return _high_passed(pair.source.picked(wanted)) * 10 ** (-pair.gain_db / 20)


def _course(pair: ReplyPair, starts: npt.NDArray[np.int64], lowest: int, highest: int) -> list[int]:
    """The lag of each block, in whole samples of the voice band: the course that fits best, where each step has its price.

    (Viterbi over all lags with a Potts penalty: a vowel fits about as well a pitch period off, a lag does not jump for it.)
    """
    low = lowest // DECIMATION
    n_lags = (highest - lowest) // DECIMATION + 1
    total = np.zeros(n_lags)
    stayed: list[npt.NDArray[np.bool_]] = []
    jumped_from: list[int] = []
    for start in starts.tolist():
        best = int(np.argmax(total))
        stays = total >= total[best] - STEP_PRICE
        stayed.append(stays)
        jumped_from.append(best)
        total = np.where(stays, total, total[best] - STEP_PRICE) + _fit(pair, start, low, n_lags)
    state = int(np.argmax(total))
    course: list[int] = []
    for stays, best in zip(reversed(stayed), reversed(jumped_from), strict=True):
        course.append((low + state) * DECIMATION)
        state = state if stays[state] else best
    return course[::-1]


def _fit(pair: ReplyPair, start: int, low: int, n_lags: int) -> FloatArray:
    """Correlation of the block at `start` with each lag from `low` on, in the voice band; 0 where nothing is known."""
    centre = pair.first + start + BLOCK // 2
    first = max(0, (centre - HALF_WINDOW) // DECIMATION)
    window = pair.published.band[first : (centre + HALF_WINDOW) // DECIMATION]
    segment = pair.source.band[max(0, first + low) : first + low + len(window) + n_lags - 1]
    if first + low < 0 or len(segment) < len(window) + n_lags - 1 or not window.any():
        return np.zeros(n_lags)
    return _correlation(window, segment)


def _to_the_sample(pre: FloatArray, ring: FloatArray, start: int, lag: int) -> tuple[int, float] | None:
    """(shift at which the block at `start` fits best, how well). `ring` begins MARGIN ahead of lag 0."""
    first, last = max(0, start + BLOCK // 2 - HALF_WINDOW), min(len(pre), start + BLOCK // 2 + HALF_WINDOW)
    wave = pre[first:last]
    at = MARGIN + lag + first - start - FINE
    near = ring[max(0, at) : at + len(wave) + 2 * FINE]
    if len(near) < len(wave) + 2 * FINE or not wave.any():
        return None
    fine = int(np.argmax(_correlation(wave, near)))
    return fine - FINE, _alike(wave, near[fine : fine + len(wave)])


def _alike(wave: FloatArray, heard: FloatArray) -> float:
    """Correlation without the CLICK_MS in which the two differ most."""
    n = len(wave) // PER_MS * PER_MS
    a, b = wave[:n].reshape(-1, PER_MS), heard[:n].reshape(-1, PER_MS)
    kept = np.argsort(np.square(a - b).sum(axis=1))[:-CLICK_MS]
    whole = float(np.sqrt(np.sum(a[kept] ** 2) * np.sum(b[kept] ** 2)))
    return float(np.sum(a[kept] * b[kept])) / whole if whole > 0 else 0.0


def _correlation(window: FloatArray, segment: FloatArray) -> FloatArray:
    """Normalised, of `window` with each place of `segment`, clipped to the window's peak."""
    peak = float(np.abs(window).max())
    held = np.clip(segment, -peak, peak)
    energy = np.concatenate([[0.0], np.cumsum(held**2)])
    heard = energy[len(window) :] - energy[: -len(window)]
    whole = np.sqrt(np.maximum(heard * float(np.sum(window**2)), 1e-12))
    return np.asarray(np.correlate(held, window, "valid") / whole)
