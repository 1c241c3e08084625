"""The pieces of a reply that surely arrived, and how far each of them reaches: anchors for everything between them.

A piece is a stretch of the published sound with the lag at both its ends. Borders are moved to where the waveforms cease
to agree, in the voice band at 8 kHz, so they are good to a few tenths of a ms. Positions are samples of that band.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.listen.ledger.likeness import Frames
from harness.listen.place.onset import runs
from harness.listen.place.pair import HOP, WINDOW, BoolArray, FloatArray, ReplyPair
from harness.listen.place.ring import DECIMATION, BandArray

LEAST_FRAMES = 6  # alike in a row, with sound: evidence enough for an anchor
TRIM = 200  # 25 ms at each end, which the frames' own length blurs
MOVED = 16  # 2 ms: a lag that moves so far in a pause ends a piece
AGREE = 0.35  # the correlation above which two waveforms are one
LOCAL = 80  # 10 ms, over which agreement is judged
AT_ODDS = 40  # 5 ms
QUIET_POWER = 1e-7  # -70 dBFS
GAIN_OVER = 480  # 60 ms
PER_FRAME = HOP // DECIMATION


@dataclass(frozen=True)
class Piece:
    """Published [start, end) at `lag` (position in the ring minus position in pre) at its start, `end_lag` at its end."""

    start: int
    end: int
    lag: int
    end_lag: int

    @property
    def y_start(self) -> int:
        return self.start + self.lag

    @property
    def y_end(self) -> int:
        return self.end + self.end_lag


def anchors(pair: ReplyPair, frames: Frames, span: tuple[int, int]) -> list[Piece]:
    """The stretches along the lag's course that are alike, trimmed to what is sure. `span`: of pre, 48 kHz."""
    first = pair.first
    lag = pair.place - (first + np.arange(len(pair.place)))
    odd = frames.judged & ~frames.alike
    found: list[Piece] = []
    for a, b in runs(_unbroken(frames, lag[::HOP])):
        sounding = np.flatnonzero(frames.sound[a : b + 1])
        if len(sounding) < LEAST_FRAMES:
            continue
        low = max(0, (a + int(sounding[0])) * HOP + WINDOW // 2, span[0] - first)
        high = min(len(lag) - 1, (a + int(sounding[-1])) * HOP + WINDOW // 2, span[1] - first - 1)
        low = span[0] - first if not odd[: a + int(sounding[0])].any() else low  # nothing speaks against its beginning
        high = span[1] - first if not odd[a + int(sounding[-1]) + 1 :].any() else high
        start, end = -(-(first + low) // DECIMATION), (first + high) // DECIMATION
        if end <= start:
            continue
        found.append(Piece(start, end, _slow_lag(lag, start, first), _slow_lag(lag, end, first)))
    return _in_order(found)


def _unbroken(frames: Frames, lag: npt.NDArray[np.int64]) -> BoolArray:
    """Frames that may lie in one piece: alike or silent, with a lag that stands still while nothing sounds."""
    good = frames.alike | ~frames.judged
    for a, b in runs(~frames.judged):
        low, high = max(0, a - 1), min(len(lag) - 1, b + 1)
        if abs(float(lag[high] - lag[low])) > MOVED * DECIMATION:
            good[(a + b) // 2] = False
    return good


def _slow_lag(lag: npt.NDArray[np.int64], at: int, first: int) -> int:
    index = min(max(at * DECIMATION - first, 0), len(lag) - 1)
    return round(float(lag[index]) / DECIMATION)


def _in_order(pieces: list[Piece]) -> list[Piece]:
    """Without those that would be heard before the one ahead of them ends."""
    kept: list[Piece] = []
    for piece in pieces:
        if kept and piece.y_start < kept[-1].y_end:
            over = kept[-1].y_end - piece.y_start
            if piece.end - piece.start <= over + TRIM:
                continue
            piece = replace(piece, start=piece.start + over)
        kept.append(piece)
    return kept


def trimmed(piece: Piece, *, head: bool, tail: bool) -> Piece:
    """The piece without its blurred ends; at least its middle is left."""
    size = min(TRIM, (piece.end - piece.start - 1) // 2)
    start, end = piece.start + (size if head else 0), piece.end - (size if tail else 0)
    return Piece(start, end, piece.lag, piece.end_lag)


def closed(
    before: Piece | None, after: Piece | None, gap: tuple[int, int, int, int], pre: BandArray, ring: BandArray
) -> tuple[int, int]:
    """How far `before` reaches on into the gap, and `after` back into it. `gap`: p from, to, y from, to."""
    p_from, p_to, y_from, y_to = gap
    most = max(0, min(p_to - p_from, y_to - y_from))
    on = _reach(pre, p_from, ring, y_from, most, 1, _gain(before, pre, ring, -1)) if before is not None else np.zeros(1)
    back = _reach(pre, p_to, ring, y_to, most, -1, _gain(after, pre, ring, 1)) if after is not None else np.zeros(1)
    far_on, far_back = int(np.argmax(on)), int(np.argmax(back))
    if far_on + far_back <= most:
        return far_on, far_back
    split = np.arange(max(0, most - len(back) + 1), min(most, len(on) - 1) + 1)
    best = int(split[np.argmax(on[split] + back[most - split])])
    return best, most - best


def _reach(pre: BandArray, p: int, ring: BandArray, y: int, most: int, step: int, gain: float) -> FloatArray:
    """Summed agreement of the first 0, 1, 2 ... samples on from p and y (back from them, for step -1)."""
    a, b = _samples(pre, p, most, step) * gain, _samples(ring, y, most, step)
    score = 2 * a * b - AGREE * (a * a + b * b)
    return np.concatenate([[0.0], np.cumsum(score[: _agreeing(score, a * a + b * b)])])


def _agreeing(score: FloatArray, energy: FloatArray) -> int:
    """How many samples there are before the two are at odds for AT_ODDS on end; what is almost silent is at odds with nothing."""
    if len(score) < LOCAL:
        return len(score)
    window = np.ones(LOCAL)
    near = np.convolve(energy, window, "valid")
    odd = (np.convolve(score, window, "valid") < 0) & (near > LOCAL * QUIET_POWER)
    first = next((a for a, b in runs(odd) if b + 1 - a >= AT_ODDS or b + 1 == len(odd)), None)
    return len(score) if first is None else first + LOCAL // 2


def _samples(band: BandArray, at: int, count: int, step: int) -> FloatArray:
    low, high = (at, at + count) if step > 0 else (at - count, at)
    inside = np.zeros(count)
    a, b = max(low, 0), min(high, len(band))
    if b > a:
        inside[a - low : b - low] = band[a:b]
    return inside if step > 0 else inside[::-1]


def _gain(piece: Piece | None, pre: BandArray, ring: BandArray, side: int) -> float:
    """How much louder the piece's end next to the gap is heard."""
    assert piece is not None
    size = min(GAIN_OVER, piece.end - piece.start)
    at, there = (piece.end, piece.y_end) if side < 0 else (piece.start, piece.y_start)
    a, b = _samples(pre, at, size, side), _samples(ring, there, size, side)
    return float(np.sqrt((np.sum(b * b) + 1e-9) / (np.sum(a * a) + 1e-9)))
