"""What lies between two anchors: pieces of the published sound at other lags, by a Viterbi search over all of them.

Blocks of 5 ms; each is heard at some lag, or not at all. A change of lag and a loss have their price, so a vowel that fits a
pitch period off does not move the course. Voice band at 8 kHz, positions are samples there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.listen.ledger.floors import SHAPE_DB
from harness.listen.ledger.likeness import shape_distance_db
from harness.listen.ledger.pieces import QUIET_POWER, Piece
from harness.listen.place.pair import FloatArray, power_spectrum
from harness.listen.place.ring import DECIMATION, BandArray, Ring

BLOCK = 40  # 5 ms
HALF = 96  # the window around a block: 24 ms
FIT = 0.6  # a block that fits worse speaks against its lag
ENTER = 1.6  # price of another lag, in summed fit
BETWEEN = 0.4  # price of a lag between those on either side: a jitter buffer goes there step by step
LOSE = 0.3  # price of ceasing to be heard
SLACK = 16  # 2 ms
FARTHEST = 3_200  # 400 ms beyond the lags on either side
LEAST = 200  # 25 ms: a shorter piece is a coincidence
LEAST_BETWEEN = 120  # 15 ms, at a lag between those on either side
WAVE_LEAST, SHORT_WAVE_LEAST = 0.5, 0.8
STEP = 20  # 2.5 ms: the least that a jitter buffer moves


def pieces_between(pre: Ring, ring: Ring, gap: tuple[int, int, int, int]) -> list[Piece]:
    """Pieces found in the gap, in order. `gap`: p from, to, y from, to."""
    p_from, p_to, y_from, y_to = gap
    p, y = pre.band, ring.band
    lags = (y_from - p_from, y_to - p_to)
    low = max(min(lags) - FARTHEST, y_from - p_to)
    high = min(max(lags) + FARTHEST, y_to - p_from)
    starts = np.arange(p_from, p_to - BLOCK + 1, BLOCK)
    if high < low or len(starts) == 0:
        return []
    axis = np.arange(low, high + 1)
    price = np.where((axis >= min(lags) - SLACK) & (axis <= max(lags) + SLACK), BETWEEN, ENTER)
    course = _course(p, y, starts, low, price, (y_from, y_to))
    kept: list[Piece] = []
    for piece in _joined(starts, course):
        begins = kept[-1].y_end if kept else y_from
        start = piece.start + max(0, begins - piece.y_start)
        end = piece.end - max(0, piece.y_end - y_to)
        short = end - start < LEAST
        if end - start < (LEAST_BETWEEN if min(lags) + STEP <= piece.lag <= max(lags) - STEP else LEAST):
            continue
        inside = Piece(start, end, piece.lag, piece.lag)
        if _holds(pre, ring, inside, SHORT_WAVE_LEAST if short else WAVE_LEAST):
            kept.append(inside)
    return kept


def _course(
    p: BandArray, y: BandArray, starts: np.ndarray, low: int, price: FloatArray, within: tuple[int, int]
) -> list[int | None]:
    """The lag of each block, None where it is not heard."""
    total, lost = -price, 0.0
    high = low + len(price) - 1
    stayed: list[np.ndarray] = []
    came: list[int | None] = []  # the lag that others were entered from; None: from not being heard
    left: list[int | None] = []  # the lag that was left for not being heard; None: it was not heard before
    for start in starts.tolist():
        best = int(np.argmax(total))
        from_lost = lost >= total[best]
        entry = max(lost, float(total[best])) - price
        stays = total >= entry
        stayed.append(stays)
        came.append(None if from_lost else best)
        falls = float(total[best]) - LOSE > lost
        left.append(best if falls else None)
        lost = max(lost, float(total[best]) - LOSE)
        total = np.where(stays, total, entry) + _fit(p, y, start, low, high, within)
    state: int | None = int(np.argmax(total))
    if lost >= total[state]:
        state = None
    course: list[int | None] = []
    for stays, entered, fell in zip(reversed(stayed), reversed(came), reversed(left), strict=True):
        course.append(None if state is None else low + state)
        if state is None:
            state = fell
        elif not stays[state]:
            state = entered
    return course[::-1]


def _fit(p: BandArray, y: BandArray, start: int, low: int, high: int, within: tuple[int, int]) -> FloatArray:
    """Of the block at `start`, at each lag: how much better it fits than FIT. Nothing where pre is silent."""
    first = max(0, start + BLOCK // 2 - HALF)
    window = p[first : start + BLOCK // 2 + HALF]
    n = high - low + 1
    energy = float(np.sum(window**2))
    if energy < QUIET_POWER * len(window):
        return np.full(n, -0.01)
    segment = np.zeros(n + len(window) - 1)
    a, b = max(first + low, 0, within[0] - HALF), min(first + low + len(segment), len(y), within[1] + HALF)
    if b > a:
        segment[a - first - low : b - first - low] = y[a:b]
    power = np.concatenate([[0.0], np.cumsum(segment**2)])
    heard = np.maximum(power[len(window) :] - power[: -len(window)], QUIET_POWER * len(window))
    return np.asarray(np.correlate(segment, window, "valid") / np.sqrt(heard * energy) - FIT)


def _joined(starts: np.ndarray, course: list[int | None]) -> Iterator[Piece]:
    begin = 0
    for index in range(1, len(course) + 1):
        if index < len(course) and course[index] == course[begin]:
            continue
        lag = course[begin]
        if lag is not None:
            start, end = int(starts[begin]), int(starts[index - 1]) + BLOCK
            if end - start >= LEAST_BETWEEN:
                yield Piece(start, end, lag, lag)
        begin = index


def _holds(pre: Ring, ring: Ring, piece: Piece, least: float) -> bool:
    """Whether the piece is the published sound by waveform and by spectrum, as a whole."""
    if piece.y_start < 0 or piece.y_end > len(ring.band):
        return False
    a, b = pre.band[piece.start : piece.end], ring.band[piece.y_start : piece.y_end]
    norm = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    if norm <= QUIET_POWER * len(a) or float(np.sum(a * b)) / norm < least:
        return False
    published = np.asarray(pre.audio.samples[piece.start * DECIMATION : piece.end * DECIMATION])
    heard = np.asarray(ring.audio.samples[piece.y_start * DECIMATION : piece.y_end * DECIMATION])
    distance = shape_distance_db(power_spectrum(published), power_spectrum(heard))
    return float(np.median(distance)) <= SHAPE_DB
