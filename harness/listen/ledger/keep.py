"""Keep the ledger of one reply at one listener.

The stretches that surely arrived (along the lag's course) are anchors; what lies between two of them is searched for at
other lags, the borders are moved to where the waveforms cease to agree, and the rest is entered for what it is: a jitter
buffer's seam, silence, sound that was lost, sound that is foreign. Method: spec/ledger.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from harness.listen.ledger.between import LEAST_BETWEEN, pieces_between
from harness.listen.ledger.entries import PER_MS, Entry, Ledger, imbalance
from harness.listen.ledger.likeness import Frames, compare
from harness.listen.ledger.pieces import Piece, anchors, closed, trimmed
from harness.listen.place.pair import HOP, HOP_MS, WINDOW, FloatArray, ReplyPair
from harness.listen.place.ring import DECIMATION, Ring
from harness.model.measurement import LedgerKind

SEAM_MS = 40.0  # a cross-fade and what the search blurs around it
STEP_MS = 16.5  # one step of a jitter buffer moves the lag by 15 ms at most
SAME_MS = 1.0
BLOCK = 240  # 5 ms, over which sound is told from silence
LEAST_SOUND_MS = 5.0
WORST_MS = 100.0

Gap = tuple[int, int, int, int]  # p from, to, y from, to; samples at 8 kHz


class ImbalanceError(Exception):
    """The ledger does not add up: the measurement is not to be believed."""


def keep(pair: ReplyPair, p: tuple[int, int], heard: tuple[int, int]) -> Ledger:
    """`p`: the reply in pair's published recording, `heard`: where it sounds in the other; samples at 48 kHz.

    Raises ImbalanceError.
    """
    frames = compare(pair)
    y = (min(heard[0], _placed(pair, p[0])), max(heard[1], _placed(pair, p[1])))
    edges: Gap = (p[0] // DECIMATION, -(-p[1] // DECIMATION), y[0] // DECIMATION, -(-y[1] // DECIMATION))
    pieces = _with_those_between(pair, anchors(pair, frames, p), edges)
    quiet = (frames.quiet_db, frames.quiet_db + pair.gain_db)
    entries = _at_full_rate(list(_entries(pair, pieces, edges, quiet)), p, y)
    wrong = imbalance(p, y, entries)
    if wrong:
        raise ImbalanceError(wrong)
    entries = [_with_likeness(entry, pair, frames) for entry in entries]
    return Ledger(pair.source.name, pair.published.name, p, y, tuple(entries), _worst(pair, frames, entries))


def _placed(pair: ReplyPair, at: int) -> int:
    index = min(max(at - pair.first, 0), len(pair.place) - 1)
    return int(pair.place[index]) + (at - pair.first - index)


def _with_those_between(pair: ReplyPair, sure: Sequence[Piece], edges: Gap) -> list[Piece]:
    pieces = [trimmed(piece, head=piece.start > edges[0] + 1, tail=piece.end < edges[1] - 1) for piece in sure]
    found: list[Piece] = []
    for before, after, gap in _gaps(pieces, edges):
        left = _left(pair, before, after, gap)
        if min(left[1] - left[0], left[3] - left[2]) >= LEAST_BETWEEN:
            between = pieces_between(pair.published, pair.source, left)
            found += [trimmed(piece, head=True, tail=True) for piece in between]
    return sorted([*pieces, *found], key=lambda piece: piece.start)


def _gaps(pieces: Sequence[Piece], edges: Gap) -> Iterator[tuple[Piece | None, Piece | None, Gap]]:
    """What lies before the first piece, between each two, and behind the last."""
    around: list[Piece | None] = [None, *pieces, None]
    for before, after in pairwise(around):
        p_from, y_from = (before.end, before.y_end) if before is not None else (edges[0], edges[2])
        p_to, y_to = (after.start, after.y_start) if after is not None else (edges[1], edges[3])
        yield before, after, (p_from, max(p_from, p_to), y_from, max(y_from, y_to))


def _left(pair: ReplyPair, before: Piece | None, after: Piece | None, gap: Gap) -> Gap:
    """The gap without what the pieces on either side of it reach."""
    on, back = closed(before, after, gap, pair.published.band, pair.source.band)
    return gap[0] + on, gap[1] - back, gap[2] + on, gap[3] - back


def _entries(pair: ReplyPair, pieces: Sequence[Piece], edges: Gap, quiet: tuple[float, float]) -> Iterator[Entry]:
    """In order, samples at 8 kHz: what arrived without a break is one entry."""
    at_p, at_y = edges[0], edges[2]
    for before, after, gap in _gaps(pieces, edges):
        left = _left(pair, before, after, gap)
        if left[0] == left[1] and left[2] == left[3] and after is not None:
            continue
        if left[0] > at_p or left[2] > at_y:
            yield Entry("arrived", at_p, left[0], at_y, left[2])
        yield from _classified(pair, left, quiet)
        at_p, at_y = left[1], left[3]


def _classified(pair: ReplyPair, left: Gap, quiet: tuple[float, float]) -> Iterator[Entry]:
    p_from, p_to, y_from, y_to = left
    p_sound = sound_ms(pair.published, (p_from, p_to), quiet[0])
    y_sound = sound_ms(pair.source, (y_from, y_to), quiet[1])
    longer_ms = (y_to - y_from - (p_to - p_from)) * DECIMATION / PER_MS
    longest_ms = max(p_to - p_from, y_to - y_from) * DECIMATION / PER_MS
    if longest_ms == 0:
        return
    if max(p_sound, y_sound) < LEAST_SOUND_MS:
        yield Entry("silence", p_from, p_to, y_from, y_to)
    elif longest_ms <= SEAM_MS and SAME_MS <= abs(longer_ms) <= STEP_MS:
        kind: LedgerKind = "stretched" if longer_ms > 0 else "compressed"
        yield Entry(kind, p_from, p_to, y_from, y_to, sound_ms=p_sound)
    else:
        if p_to > p_from:
            yield Entry("lost" if p_sound > 0 else "silence", p_from, p_to, y_from, y_from, sound_ms=p_sound)
        if y_to > y_from:
            yield Entry("foreign" if y_sound > 0 else "silence", p_to, p_to, y_from, y_to, sound_ms=y_sound)


def sound_ms(ring: Ring, part: tuple[int, int], quiet_db: float) -> float:
    """How much of the part (8 kHz samples) can be heard."""
    start, end = max(0, part[0] * DECIMATION), max(0, part[1] * DECIMATION)
    power = np.square(np.asarray(ring.audio.samples[start:end], np.float64))
    if len(power) == 0:
        return 0.0
    level_db = 10 * np.log10(np.maximum(uniform_filter1d(power, min(BLOCK, len(power))), 1e-12))
    return float(np.count_nonzero(level_db > quiet_db)) / PER_MS


def _at_full_rate(slow: Sequence[Entry], p: tuple[int, int], y: tuple[int, int]) -> list[Entry]:
    """The entries in samples at 48 kHz, clipped to the two stretches; empty ones are left out."""
    clipped: list[Entry] = []
    for n, entry in enumerate(slow):
        last = n == len(slow) - 1
        p_end = p[1] if last else min(max(entry.p_end * DECIMATION, p[0]), p[1])
        y_end = y[1] if last else min(max(entry.y_end * DECIMATION, y[0]), y[1])
        p_start, y_start = (clipped[-1].p_end, clipped[-1].y_end) if clipped else (p[0], y[0])
        if p_end == p_start and y_end == y_start:
            continue
        clipped.append(Entry(entry.kind, p_start, p_end, y_start, y_end, entry.sound_ms))
    return clipped


def _with_likeness(entry: Entry, pair: ReplyPair, frames: Frames) -> Entry:
    if entry.kind != "arrived":
        return entry
    part = _frames_of(entry, pair, len(frames.likeness))
    judged = frames.likeness[part][frames.judged[part]]
    likeness = round(float(judged.mean()), 3) if len(judged) else None
    return Entry("arrived", entry.p_start, entry.p_end, entry.y_start, entry.y_end, likeness=likeness)


def _frames_of(entry: Entry, pair: ReplyPair, count: int) -> slice:
    """The frames that lie within the entry."""
    first = -(-(entry.p_start - pair.first) // HOP)
    last = (entry.p_end - pair.first - WINDOW) // HOP
    return slice(max(0, first), max(0, first, min(count, last + 1)))


def _worst(pair: ReplyPair, frames: Frames, entries: Sequence[Entry]) -> float | None:
    """Mean likeness over the worst 100 ms of sound that arrived along the lag's course."""
    size = round(WORST_MS / HOP_MS)
    known = _on_course(pair, frames, entries)
    values = np.where(known, frames.likeness, 0.0)
    count = np.convolve(known.astype(np.float64), np.ones(size), "valid") if len(known) >= size else np.zeros(0)
    whole = np.flatnonzero(count >= size - 0.5)
    if len(whole) == 0:
        return None
    mean: FloatArray = np.convolve(values, np.ones(size) / size, "valid")
    return float(mean[whole].min())


def _on_course(pair: ReplyPair, frames: Frames, entries: Sequence[Entry]) -> npt.NDArray[np.bool_]:
    """Frames with sound that lie wholly in one arrived entry and at its lag."""
    known = np.zeros(len(frames.judged), np.bool_)
    lag = (pair.place - (pair.first + np.arange(len(pair.place))))[WINDOW // 2 :: HOP][: len(known)]
    for entry in entries:
        if entry.kind != "arrived":
            continue
        part = _frames_of(entry, pair, len(lag))
        share = (pair.first + np.arange(part.start, part.stop) * HOP - entry.p_start) / max(
            1, entry.p_end - entry.p_start
        )
        own = entry.y_start - entry.p_start + share * (entry.y_end - entry.y_start - entry.p_end + entry.p_start)
        known[part] = frames.judged[part] & (np.abs(lag[part] - own) < PER_MS)
    return known
