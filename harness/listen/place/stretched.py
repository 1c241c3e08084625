"""An utterance that a jitter buffer stretched or shortened while it was said: its lag is a function of time.

Pieces of a quarter second are looked for one by one; where two or more agree on a place, the lag is followed from there
(`delay.track_delay`) and the ends are where it says. Used where the utterance as a whole is not found, and where the
lag's course puts its ends elsewhere than the one best place does. Positions are samples at 8 kHz. Method:
spec/metrics.md (c), recipe step 3: time-varying delay, as in PESQ and ViSQOL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.listen.place.align import find_best
from harness.listen.place.delay import GOOD, HOP, WINDOW, track_delay
from harness.listen.place.ring import BAND_RATE_HZ, BandArray

PIECE_MS = 250.0
PIECE_HOP_MS = 100.0
PIECE_CONFIDENCE = 0.65
APART_MS = 80.0  # how far the lags of neighbouring pieces may differ
MOST_CHANGE_MS = 200.0  # of the lag over the whole utterance, where only its pieces place it
IDENTITY = 0.75
FOUND_SHARE = 0.6  # of the windows with sound
EDGE_MS = 160.0  # the first and the last window must be found within so much of the ends
ERROR_MS = 10.0  # a step of the buffer within the last window
SURE_MS = 0.2  # the last window fits as it is: there is no step in it
SURE = 0.9  # of the last window's correlation; a step of 10 ms within it leaves less


@dataclass(frozen=True)
class Stretched:
    """[start, end) of the piece in the recording, the median correlation of its windows, how far off the end may be, and
    how far the lag moved.
    """

    start: float
    end: float
    confidence: float
    error_ms: float
    moved_ms: float


def find_stretched(piece: BandArray, recording: BandArray) -> Stretched | None:
    """None if its parts are not found, or not one after the other."""
    lag = _coarse_lag(piece, recording)
    found = None if lag is None else follow(piece, recording, lag)
    if found is None or found.moved_ms > MOST_CHANGE_MS:
        return None
    return found


def follow(piece: BandArray, recording: BandArray, lag: float) -> Stretched | None:
    """Its ends by the lag's course, which begins near `lag`; None if too few of its windows are found there."""
    track = track_delay(piece, (0, len(piece)), recording, lag)
    if not track.found or track.identity < IDENTITY:
        return None
    edge = EDGE_MS * BAND_RATE_HZ / 1e3 + WINDOW / 2
    first, last = float(track.at[0]), float(track.at[-1])
    found = np.count_nonzero(track.correlation >= GOOD) / len(track.correlation)
    if found < FOUND_SHARE or first > edge + HOP or last < len(piece) - edge - HOP:
        return None
    moved_ms = float(np.ptp(track.lag)) * 1e3 / BAND_RATE_HZ
    error_ms = SURE_MS if track.correlation[-1] >= SURE else ERROR_MS
    return Stretched(float(track.lag[0]), len(piece) + float(track.lag[-1]), track.identity, error_ms, moved_ms)


def _coarse_lag(piece: BandArray, recording: BandArray) -> float | None:
    """The lag of the surest piece among those with an agreeing neighbour."""
    size, hop = (round(part_ms * BAND_RATE_HZ / 1e3) for part_ms in (PIECE_MS, PIECE_HOP_MS))
    found: list[tuple[float, float]] = []  # (confidence, lag)
    for start in range(0, max(1, len(piece) - size + 1), hop):
        best = find_best(piece[start : start + size], recording)
        if best is not None and best.confidence >= PIECE_CONFIDENCE:
            found.append((best.confidence, best.at - start))
    reach = APART_MS * BAND_RATE_HZ / 1e3
    agreeing = [
        (confidence, lag)
        for n, (confidence, lag) in enumerate(found)
        if any(m != n and abs(lag - other) <= reach for m, (_, other) in enumerate(found))
    ]
    return max(agreeing)[1] if agreeing else None
