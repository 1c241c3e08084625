"""Stutter: a piece of a reply that is heard twice.

In arrived sound: the lag grows by a step while there is sound, and the sound before the step comes again after it (also
after a codec, so not bit by bit). In pre_rtc itself: the very same samples again, a little later. ms and samples at
48 kHz. What a jitter buffer adds (one pitch period, 2.5 to 15 ms at a time) is below the least length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.align import find_best
from harness.listen.place.delay import DelayTrack
from harness.listen.place.onset import runs
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring

PER_MS = 48
MIN_REPEAT_MS = 18.0  # three pitch periods of a low voice, all identical, do not occur in speech
MIN_STEP_MS = 32.0
STEP_SPREAD_MS = 400.0  # windows around a repeat fit neither way
ALIKE = 0.65
READ_STEP = 8  # 1 ms: the step is read to a fraction of it
OFF_STEP = 48  # a jitter buffer may have taken 6 ms away beside it
FAR_OFF_STEP = 128  # or 16 ms; then pre itself must be less alike
SURELY_ALIKE = 0.85
HASHED = 96  # 2 ms
PIECE_MS = 40.0
PIECE_HOP_MS = 10.0
PIECE_LEAST_POWER = 10 ** (-40.0 / 10)
REACH_MS = 150.0
NEAR_MS = 30.0
TWICE_ALIKE = 0.85
MORE_THAN_NATURAL = 0.15  # pre itself must be so much less alike within the same reach
LONGEST_LAG_MS = 2_000.0
SILENT_LSB = 24


@dataclass(frozen=True)
class Repeated:
    """`start`: where the repetition begins, samples of the recording; how long it is, and how alike (0 to 1)."""

    start: int
    duration_ms: float
    alike: float


def repeats_on_the_way(pre: Ring, track: DelayTrack, ring: Ring) -> list[Repeated]:
    """Steps of the lag that are filled with the sound before them, in whole or in part."""
    found: list[Repeated] = []
    lag_ms = track.lag * 1e3 / BAND_RATE_HZ
    at_ms = track.at * 1e3 / BAND_RATE_HZ
    index = 1
    while index < len(lag_ms):
        if lag_ms[index] - lag_ms[index - 1] < 2.0:
            index += 1
            continue
        last = index
        while (
            last + 1 < len(lag_ms)
            and at_ms[last + 1] - at_ms[index - 1] < STEP_SPREAD_MS
            and lag_ms[last + 1] > lag_ms[last] + 2.0
        ):
            last += 1
        step_ms = lag_ms[last] - lag_ms[index - 1]
        if step_ms >= MIN_STEP_MS:
            around = (at_ms[index - 1] + lag_ms[index - 1], at_ms[last] + lag_ms[last])
            repeated = (
                _confirmed(ring, around, step_ms)
                or _in_part(pre, ring, (at_ms[index - 1], at_ms[last]), (lag_ms[index - 1], lag_ms[last]))
                or _confirmed_off(pre, ring, around, step_ms, lag_ms[index - 1])
            )
            if repeated is not None:
                found.append(repeated)
        index = last + 1
    return found


def _in_part(pre: Ring, ring: Ring, at_ms: tuple[float, float], lag_ms: tuple[float, float]) -> Repeated | None:
    """A piece of pre from before the step that is heard where it is due, and again after the next piece is due.

    For a repeat that a stall, or a jitter buffer that shrinks, has made longer or shorter than the step.
    """
    per_ms = BAND_RATE_HZ / 1e3
    size = round(PIECE_MS * per_ms)
    best: Repeated | None = None
    for start_ms in np.arange(at_ms[0] - REACH_MS, at_ms[1], PIECE_HOP_MS):
        start = round(start_ms * per_ms)
        if start < 0 or start + size > len(pre.band):
            continue
        piece = np.asarray(pre.band[start : start + size])
        if float(np.mean(piece**2)) < PIECE_LEAST_POWER:
            continue
        first = find_best(piece, ring.band, _window(start, lag_ms[0], NEAR_MS, per_ms))
        if first is None or first.confidence < TWICE_ALIKE:
            continue
        low, high = first.at + MIN_STEP_MS * per_ms, first.at + (lag_ms[1] - lag_ms[0] + REACH_MS) * per_ms
        again = find_best(piece, ring.band, (low, high))
        if again is None or again.confidence < TWICE_ALIKE:
            continue
        natural = find_best(piece, pre.band, (start + MIN_STEP_MS * per_ms, start + 2 * REACH_MS * per_ms))
        if natural is not None and natural.confidence > again.confidence - MORE_THAN_NATURAL:
            continue  # a vowel is like itself a few periods later
        if best is None or again.confidence > best.alike:
            apart_ms = (again.at - first.at) / per_ms
            best = Repeated(round(again.at * DECIMATION), float(apart_ms), again.confidence)
    return best


def _window(start: int, lag_ms: float, reach_ms: float, per_ms: float) -> tuple[float, float]:
    return start + (lag_ms - reach_ms) * per_ms, start + (lag_ms + reach_ms) * per_ms


def _confirmed(ring: Ring, around_ms: tuple[float, float], step_ms: float) -> Repeated | None:
    """The place near the step where the sound agrees best with itself `step_ms` earlier."""
    found = _most_alike(ring, around_ms, step_ms, OFF_STEP)
    return None if found is None else Repeated(round(found.at * DECIMATION), float(step_ms), found.fit)


def _confirmed_off(
    pre: Ring, ring: Ring, around_ms: tuple[float, float], step_ms: float, lag_ms: float
) -> Repeated | None:
    """As `_confirmed`, for a repeat longer than the step, because a jitter buffer took more away beside it. `lag_ms`: ahead
    of the step. A vowel repeats after a few periods: pre must be less alike.
    """
    found = _most_alike(ring, around_ms, step_ms, FAR_OFF_STEP)
    if found is None or found.fit < SURELY_ALIKE:
        return None
    per_ms = BAND_RATE_HZ / 1e3
    size = round(step_ms * per_ms)
    start = round(found.at - found.lag - lag_ms * per_ms)
    if start < 0 or start + size > len(pre.band):
        return None
    piece = np.asarray(pre.band[start : start + size])
    natural = find_best(piece, pre.band, (start + MIN_STEP_MS * per_ms, start + 2 * REACH_MS * per_ms))
    if natural is not None and natural.confidence > found.fit - MORE_THAN_NATURAL:
        return None
    return Repeated(round(found.at * DECIMATION), found.lag / per_ms, found.fit)


@dataclass(frozen=True)
class _Alike:
    """Samples of the band: where the repetition begins, how much later than the original; and how alike they are."""

    at: int
    lag: int
    fit: float


def _most_alike(ring: Ring, around_ms: tuple[float, float], step_ms: float, off: int) -> _Alike | None:
    """Sound of `step_ms` near the step that agrees best with itself `step_ms` earlier, give or take `off` samples."""
    per_ms = BAND_RATE_HZ / 1e3
    size = round(step_ms * per_ms)
    low = max(size + off, round((around_ms[0] - 100) * per_ms))
    high = min(len(ring.band), round((around_ms[1] + 100) * per_ms))
    if high - low <= size:
        return None
    begin = low - size - off
    part = np.asarray(ring.band[begin:high])
    best: _Alike | None = None
    for shift in range(-off, off + 1):
        lag = size + shift
        if lag <= 0 or lag >= len(part) - size:
            continue
        a, b = part[lag:], part[:-lag]
        product = np.concatenate([[0.0], np.cumsum(a * b)])
        energy_a, energy_b = (np.concatenate([[0.0], np.cumsum(x**2)]) for x in (a, b))
        top = product[size:] - product[:-size]
        norm = np.sqrt((energy_a[size:] - energy_a[:-size]) * (energy_b[size:] - energy_b[:-size]))
        fit = top / np.maximum(norm, size * 1e-6)
        place = int(np.argmax(fit))
        better = best is None or fit[place] > best.fit
        if better and fit[place] >= ALIKE and (abs(shift) <= READ_STEP or fit[place] >= SURELY_ALIKE):
            best = _Alike(begin + place + lag, lag, float(fit[place]))
    return best


def repeats_as_published(samples: npt.NDArray[np.float32]) -> list[Repeated]:
    """Runs of samples that repeat, bit by bit, those of a little earlier."""
    whole = np.rint(samples * 32768.0).astype(np.int64)
    if len(whole) < 2 * HASHED:
        return []
    weights = np.random.default_rng(20_261).integers(1, 1 << 40, HASHED)
    windows = np.lib.stride_tricks.sliding_window_view(whole, HASHED)
    hashes = windows @ weights
    loud = np.maximum.reduceat(np.abs(whole), np.arange(0, len(whole), HASHED)) > SILENT_LSB
    sounding = np.repeat(loud, HASHED)[: len(hashes)]
    order = np.argsort(hashes, kind="stable")
    same = (hashes[order[1:]] == hashes[order[:-1]]) & sounding[order[1:]] & sounding[order[:-1]]
    first, second = order[:-1][same], order[1:][same]
    lags = second - first
    near = (lags >= MIN_REPEAT_MS * PER_MS) & (lags <= LONGEST_LAG_MS * PER_MS)
    found: list[Repeated] = []
    for lag in np.unique(lags[near]):
        mask = np.zeros(len(hashes), bool)
        mask[second[near & (lags == lag)]] = True
        for begin, last in runs(mask):
            length = last - begin + HASHED
            if length >= MIN_REPEAT_MS * PER_MS:
                found.append(Repeated(int(begin), length / PER_MS, 1.0))
    return sorted(found, key=lambda repeated: repeated.start)
