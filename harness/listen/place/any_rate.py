"""A reply that is played at any other sample rate: between a sixth and six times its speed, found and confirmed by its waveform.

The level's course of its first seconds is looked for at ratios in even steps on a logarithmic scale; the likeliest are refined,
and the recording is brought back to the published speed at its full rate. Only where the waveform then agrees is it
the reply. Another tempo at the same pitch does not agree, and is none of this. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import correlate, resample

from harness.listen.place.course import COURSE_FLOOR_DB, Course, course_db, lag_slope
from harness.listen.place.delay import DelayTrack, track_delay
from harness.listen.place.pair import FloatArray
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring, voice_band
from harness.model.audio import Audio

RATE_HZ = BAND_RATE_HZ * DECIMATION
FASTEST, SLOWEST = 1 / 6.3, 6.3
STEP = 1.015
FINE_STEP, FINE_STEPS = 1.002, 10
HOP = 480  # 10 ms
LONGEST_MODEL = 400  # hops: 4 s of the reply, of which a step moves the end by half a syllable
SHORTEST_MODEL = 12  # hops
LIKELY = 0.6  # correlation of the courses; the waveform decides
MOST_LIKELY = 8  # ratios that are tried
APART = 1.03
REACH_MS = 200.0
CONFIRMED = 0.6  # median correlation of the waveforms: other words reach 0.45
CLOSER_TIMES = 3


@dataclass(frozen=True, eq=False)
class AtRate:
    """Where and how fast, and the lag's course in samples of the band."""

    course: Course
    track: DelayTrack


def find_at_rate(pre: Ring, span: tuple[int, int], ring: Ring, within: tuple[float, float]) -> AtRate | None:
    """`span`: the reply in `pre`; `within`: where in the ring it may sound. None where the waveform agrees at no ratio."""
    published = np.asarray(pre.audio.samples[span[0] : span[1]], np.float32)
    low = max(0, int(within[0]))
    heard = np.asarray(ring.audio.samples[low : max(low, int(within[1]))], np.float32)
    piece = np.asarray(pre.band[span[0] // DECIMATION : -(-span[1] // DECIMATION)])
    head = piece[: LONGEST_MODEL * HOP // DECIMATION]
    best: AtRate | None = None
    for ratio, at in _likely(course_db(published, HOP)[:LONGEST_MODEL], course_db(heard, HOP)):
        found = _confirmed(head, span, ring, Course(low + at * HOP, ratio, 0.0))
        if found is not None and (best is None or found.track.identity > best.track.identity):
            best = found
    return best if best is None or len(piece) == len(head) else _confirmed(piece, span, ring, best.course)


def _likely(model: FloatArray, heard: FloatArray) -> list[tuple[float, float]]:
    """(ratio, place in hops) of the likeliest, refined; the likeliest first."""
    count = round(np.log(SLOWEST / FASTEST) / np.log(STEP))
    tried = []
    for ratio in FASTEST * STEP ** np.arange(count + 1):
        at, fit = _best_fit(model, heard, float(ratio))
        if fit >= LIKELY:
            tried.append((fit, float(ratio), at))
    kept: list[tuple[float, float, float]] = []
    for one in sorted(tried, reverse=True):
        if all(not 1 / APART < one[1] / other[1] < APART for other in kept):
            kept.append(one)
    return [_refined(model, heard, ratio) for _, ratio, _ in kept[:MOST_LIKELY]]


def _refined(model: FloatArray, heard: FloatArray, ratio: float) -> tuple[float, float]:
    near = ratio * FINE_STEP ** np.arange(-FINE_STEPS, FINE_STEPS + 1)
    fits = [(*_best_fit(model, heard, float(one))[::-1], float(one)) for one in near]
    _, at, best = max(fits)
    return best, at


def _best_fit(model: FloatArray, heard: FloatArray, ratio: float) -> tuple[float, float]:
    """(place in hops, Pearson correlation) of the model at that ratio, with silence around both."""
    size = round(len(model) * ratio)
    edge = max(2, round(10 * min(1.0, ratio)))
    if size < SHORTEST_MODEL or size > len(heard):
        return 0.0, -1.0
    shaped = np.interp(np.linspace(0, len(model) - 1, size), np.arange(len(model)), model)
    shaped = np.concatenate([np.full(edge, COURSE_FLOOR_DB), shaped])
    padded = np.concatenate([np.full(edge, COURSE_FLOOR_DB), heard])
    centred = shaped - shaped.mean()
    scale = float(np.sqrt(np.sum(centred**2)))
    if scale < 1e-6:
        return 0.0, -1.0
    products = correlate(padded - COURSE_FLOOR_DB, centred, "valid", method="fft")
    sums = np.concatenate([[0.0], np.cumsum(padded - COURSE_FLOOR_DB)])
    squares = np.concatenate([[0.0], np.cumsum((padded - COURSE_FLOOR_DB) ** 2)])
    n = len(shaped)
    spread = np.sqrt(np.maximum(squares[n:] - squares[:-n] - (sums[n:] - sums[:-n]) ** 2 / n, n))
    fit = products / (scale * spread)
    place = int(np.argmax(fit))
    return float(place), float(fit[place])


def _confirmed(piece: FloatArray, span: tuple[int, int], ring: Ring, course: Course) -> AtRate | None:
    """The same with its track, at the ratio that the lag itself shows; None where the waveform does not agree."""
    best: AtRate | None = None
    for _ in range(CLOSER_TIMES):
        track, begin = _followed(piece, ring, course)
        if track is None or not track.found:
            break
        there = (begin + (track.at + track.lag) * course.ratio * DECIMATION) / DECIMATION
        first = span[0] // DECIMATION
        found = DelayTrack(track.at + first, there - (track.at + first), track.correlation)
        if best is not None and found.identity <= best.track.identity:
            break
        at = begin + float(track.lag_at(np.zeros(1))[0]) * course.ratio * DECIMATION
        course = Course(at, course.ratio, found.identity)
        best = AtRate(course, found)
        slope = lag_slope(track)
        if slope is None:
            break
        course = Course(at, course.ratio * (1 + slope.ppm / 1e6), found.identity)
    return best if best is not None and best.track.identity >= CONFIRMED else None


def _followed(piece: FloatArray, ring: Ring, course: Course) -> tuple[DelayTrack | None, float]:
    """(the lag's course of `piece` in the recording brought back to its speed, where that begins in the ring)."""
    reach = round(REACH_MS * RATE_HZ / 1e3 * course.ratio)
    first = max(0, round(course.at) - reach)
    last = min(len(ring.audio), round(course.at + len(piece) * DECIMATION * course.ratio) + reach)
    size = round((last - first) / course.ratio)
    if size < RATE_HZ // 10:
        return None, float(first)
    back = resample(np.asarray(ring.audio.samples[first:last], np.float64), size)
    warped = voice_band(Audio(np.ascontiguousarray(back, np.float32), RATE_HZ))
    lag = (course.at - first) / course.ratio / DECIMATION
    return track_delay(piece, (0, len(piece)), warped, lag), float(first)
