"""The speed at which a reply arrives, and its lag's course at that speed.

A small change of speed is the slope of the lag's course without its steps (Theil-Sen, ppm). A larger one, at which
waveforms no longer match, is found by the level's course, stretched by a grid of ratios. Method: spec/metrics.md (c),
steps 1b and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import theilslopes

from harness.listen.place.delay import STEP_MS, DelayTrack, track_delay
from harness.listen.place.pair import FloatArray
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring

MIN_SPAN_MS = 700.0
MIN_WINDOWS = 12
HOP_MS = 5.0
HOP = round(HOP_MS * BAND_RATE_HZ / 1e3)
WRONG_RATES = (1 / 3, 0.5, 16 / 24, 44.1 / 48, 48 / 44.1, 24 / 16, 2.0, 3.0)
COARSE_RATIOS = tuple(np.round(np.arange(0.90, 1.1001, 0.0025), 4)) + WRONG_RATES
COURSE_CONFIDENCE = 0.72  # other words of the same length and voice reach 0.6
COARSE_STEP = 0.0051  # what the grid of ratios cannot tell from 1
COURSE_FLOOR_DB = -60.0
CLOSER_TIMES = 3


@dataclass(frozen=True)
class Slope:
    """Growth of the lag in ppm of time: positive is slower than published. `error_ppm`: half the 95 % interval."""

    ppm: float
    error_ppm: float


def lag_slope(track: DelayTrack, ratio: float = 1.0) -> Slope | None:
    """`ratio`: the track's speed. None where too little of the reply is aligned."""
    t, lag = track.at / BAND_RATE_HZ, track.lag / BAND_RATE_HZ
    if len(t) < MIN_WINDOWS or (t[-1] - t[0]) * 1e3 < MIN_SPAN_MS:
        return None
    lag = lag - (ratio - 1) * t
    change = np.diff(lag)
    steps = np.where(np.abs(change) > STEP_MS / 1e3, change, 0.0)
    smooth = lag - np.concatenate([[0.0], np.cumsum(steps)])
    every = max(1, len(t) // 200)
    slope, _, low, high = theilslopes(smooth[::every], t[::every], 0.95)
    return Slope(1e6 * (float(slope) + ratio - 1), 1e6 * float(high - low) / 2)


@dataclass(frozen=True)
class Course:
    """Where and how fast a reply is heard by its level's course. `ratio` above 1: it takes longer than published."""

    at: float  # position of its first sample in the ring, 48 kHz
    ratio: float
    confidence: float


def course_db(samples: npt.NDArray[np.floating], hop: int) -> FloatArray:
    """The level of each `hop` samples, dBFS, not below COURSE_FLOOR_DB."""
    n = len(samples) // hop
    power = np.mean(np.square(samples[: n * hop].reshape(n, hop), dtype=np.float64), axis=1)
    return np.maximum(10 * np.log10(power + 1e-12), COURSE_FLOOR_DB)


def find_course(pre: Ring, span: tuple[int, int], ring: Ring, within: tuple[float, float]) -> Course | None:
    """`span`, `within`: samples at 48 kHz of pre, and of the ring. None if no speed makes the courses alike."""
    piece = course_db(np.asarray(pre.band[span[0] // DECIMATION : span[1] // DECIMATION]), HOP)
    low = max(0, int(within[0])) // DECIMATION
    heard = course_db(np.asarray(ring.band[low : max(low, int(within[1]) // DECIMATION)]), HOP)
    best: Course | None = None
    for ratio in COARSE_RATIOS:
        n = round(len(piece) * ratio)
        if n < 40:
            continue
        model = np.interp(np.linspace(0, len(piece) - 1, n), np.arange(len(piece)), piece)
        edge = round(100 / HOP_MS)
        model = np.concatenate([np.full(edge, COURSE_FLOOR_DB), model, np.full(edge, COURSE_FLOOR_DB)])
        padded = np.concatenate([np.full(edge, COURSE_FLOOR_DB), heard, np.full(edge, COURSE_FLOOR_DB)])
        if len(padded) < len(model):
            continue
        at, fit = _best_fit(model, padded)
        if best is None or fit > best.confidence:
            best = Course(float((low + at * HOP) * DECIMATION), float(ratio), fit)
    return best if best is not None and best.confidence >= COURSE_CONFIDENCE else None


def _best_fit(model: FloatArray, course: FloatArray) -> tuple[int, float]:
    """(place, Pearson correlation) of the best fit of `model` in `course`."""
    windows = np.lib.stride_tricks.sliding_window_view(course, len(model))
    z = (model - model.mean()) / max(float(model.std()), 1e-9)
    mean, deviation = windows.mean(axis=1), np.maximum(windows.std(axis=1), 1.0)
    fit = (windows @ z - mean * z.sum()) / (len(model) * deviation)
    place = int(np.argmax(fit))
    return place, float(fit[place])


def follow_course(pre: Ring, span: tuple[int, int], ring: Ring, course: Course) -> DelayTrack | None:
    """The lag's course at the course's speed; None if the waveforms do not agree at that speed either."""
    first, last = span[0] // DECIMATION, -(-span[1] // DECIMATION)
    reach = BAND_RATE_HZ // 5
    places = course.at / DECIMATION + np.arange(-reach, last - first + reach) * course.ratio
    low, high = max(0, int(places[0])), min(len(ring.band), int(places[-1]) + 2)
    if high - low < 2:
        return None
    part = np.asarray(ring.band[low:high])
    warped = np.interp(places - low, np.arange(len(part)), part, left=0.0, right=0.0)
    piece = np.asarray(pre.band[first:last])
    track = track_delay(piece, (0, len(piece)), warped, float(reach))
    if not track.found:
        return None
    there = places[0] + (track.at + track.lag) * course.ratio
    return DelayTrack(track.at + first, there - (track.at + first), track.correlation)


def follow_course_closely(
    pre: Ring, span: tuple[int, int], ring: Ring, course: Course
) -> tuple[Course, DelayTrack | None]:
    """Follow it again at the speed the lag shows, as long as the waveforms agree better."""
    followed = follow_course(pre, span, ring, course)
    for _ in range(CLOSER_TIMES):
        slope = lag_slope(followed, course.ratio) if followed is not None else None
        if followed is None or slope is None:
            break
        closer = Course(course.at, 1 + slope.ppm / 1e6, course.confidence)
        again = follow_course(pre, span, ring, closer)
        if again is None or again.identity <= followed.identity:
            break
        course, followed = closer, again
    return course, followed
