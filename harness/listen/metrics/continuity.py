"""Holes a listener hears: places of a reply where the recording is silent and the aligned pre_rtc has sound.

10 ms frames every 2.5 ms in the voice band, level-matched; positions follow the lag's course, so that a jitter buffer
that stretches or shortens makes no false hole. Two kinds: sound that was lost (pre loud, recording more than 20 dB
below it) and silence that was put in (a stalled publisher: the lag grows by a pause that pre does not have). Natural
pauses are in pre too and never count. Definitions: spec/metrics.md (d), H-72, H-73, H-104.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.delay import DelayTrack
from harness.listen.place.onset import runs
from harness.listen.place.ring import BAND_RATE_HZ, BandArray, Ring

PER_MS = BAND_RATE_HZ // 1_000
FRAME = 10 * PER_MS
HOP = 20  # 2.5 ms
HOP_MS = HOP / PER_MS
SLACK = 20  # 2.5 ms: how far the mapping may be off where the lag is steady
MAX_SLACK_ADDED_BACK = 80  # 10 ms
SOUND_DBFS = -45.0
SOUND_BELOW_ACTIVE_DB = 22.0  # in a quiet reply, nobody misses a sound so far below the reply's level
MISSING_DB = -20.0
SILENT_BELOW_SOUND_DB = 10.0
RINGING = 20  # 2.5 ms: the band's filter rings into a hole, which makes it read short (median of 32 holes)
READING_ERROR_MS = 8.0
MIN_FRAMES = 2
SAME_HOLE_MS = 60.0  # a stop consonant within a hole does not make two of it
MIN_INSERTED_MS = 20.0
LAG_AGREES = 10 * PER_MS
PAUSE_MS = 50.0  # a natural pause of pre is at least this long
MIN_LENGTHENED_MS = 100.0
AUDIBLE_HOLE_MS = 40.0  # a single one is a dropout
SHORT_HOLE_MS = 20.0  # such holes are dropouts where many occur
SHORT_HOLES_PER_MINUTE = 3.0

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hole:
    """Times in the recording, ms. `inserted`: silence was put in, nothing was lost."""

    start_ms: float
    duration_ms: float
    inserted: bool


@dataclass(frozen=True, eq=False)
class _Frames:
    """Level-matched frames of pre and what the recording has at their place, dB; `place`: band samples there."""

    at: npt.NDArray[np.int64]
    place: Levels
    slack: Levels
    pre_db: Levels
    heard_db: Levels  # the loudest within the slack
    sound_db: float  # above it, pre has sound
    gain_db: float


def find_holes(
    pre: Ring,
    span: tuple[int, int],
    ring: Ring,
    track: DelayTrack,
    heard: tuple[float, float],
    *,
    cut: bool,
    skip: Sequence[tuple[float, float]] = (),
) -> list[Hole]:
    """Holes of one reply. `span`: the reply in pre's band; `heard`: in the ring's band; `skip`: parts of pre (band).

    `cut`: the reply was interrupted, and is compared only up to where it ends.
    """
    frames = _compare(pre, span, ring, track)
    if frames is None:
        return []
    missing = (frames.pre_db > frames.sound_db) & (frames.heard_db - frames.pre_db < MISSING_DB)
    if cut:
        missing &= frames.place + FRAME + frames.slack <= heard[1]
    for start, end in skip:
        missing &= (frames.at + FRAME <= start) | (frames.at >= end)
    holes = _lost(frames, missing) + _inserted(frames, ring, track, heard)
    return _merged(sorted(holes, key=lambda hole: hole.start_ms))


def _level(band: BandArray, starts: Levels) -> Levels:
    """dB of the frames that begin at `starts` (fractional), from cumulative energy; silence outside."""
    if len(starts) == 0:
        return starts
    first, last = max(0, int(starts.min())), max(0, int(starts.max()) + FRAME + 2)
    energy = np.concatenate([[0.0], np.cumsum(band[first:last] ** 2)])
    axis = np.arange(first, first + len(energy), dtype=np.float64)
    power = (np.interp(starts + FRAME, axis, energy) - np.interp(starts, axis, energy)) / FRAME
    return 10 * np.log10(np.maximum(power, 1e-12))


def _compare(pre: Ring, span: tuple[int, int], ring: Ring, track: DelayTrack) -> _Frames | None:
    at = np.arange(span[0], span[1] - FRAME + 1, HOP, dtype=np.int64)
    if len(at) == 0 or not track.found:
        return None
    centre = (at + FRAME / 2.0).astype(np.float64)
    place = at + track.lag_at(centre)
    slack = SLACK + track.restlessness(centre)
    pre_db = _level(pre.band[: span[1]], at.astype(np.float64))
    shifts = np.linspace(-1.0, 1.0, 9)[:, None]
    around = _level(ring.band, (place + shifts * slack).ravel()).reshape(len(shifts), -1)
    loud = pre_db > max(SOUND_DBFS, float(np.percentile(pre_db, 95)) - SOUND_BELOW_ACTIVE_DB)
    if not loud.any():
        return None
    active_db = 10 * np.log10(np.mean(10 ** (pre_db[loud] / 10)))
    gain_db = float(np.median(around[len(shifts) // 2][loud] - pre_db[loud]))
    return _Frames(
        at=at,
        place=place,
        slack=slack,
        pre_db=pre_db,
        heard_db=around.max(axis=0) - gain_db,
        sound_db=min(SOUND_DBFS, float(active_db) - SOUND_BELOW_ACTIVE_DB),
        gain_db=gain_db,
    )


def _lost(frames: _Frames, missing: npt.NDArray[np.bool_]) -> list[Hole]:
    silent = frames.heard_db < frames.sound_db + MISSING_DB / 2
    joined: list[tuple[int, int]] = []
    for first, last in runs(missing):
        if joined:
            between = slice(joined[-1][1] + 1, first)
            if (first - joined[-1][1]) * HOP_MS <= SAME_HOLE_MS and silent[between].all():
                joined[-1] = (joined[-1][0], last)
                continue
        joined.append((first, last))
    holes = []
    for first, last in joined:
        if last - first + 1 < MIN_FRAMES:
            continue
        # a frame counts only if all within its slack is silent: that much of the hole lies before and behind it
        slack = min(float(np.median(frames.slack[first : last + 1])), MAX_SLACK_ADDED_BACK)
        start = frames.place[first] - slack
        duration = (last - first) * HOP + FRAME + 2 * slack + RINGING
        holes.append(Hole(start / PER_MS, _to_half_ms(duration / PER_MS), inserted=False))
    return holes


def _inserted(frames: _Frames, ring: Ring, track: DelayTrack, heard: tuple[float, float]) -> list[Hole]:
    """Silences of the recording during which the lag grew: pre has no such pause."""
    starts = np.arange(heard[0], heard[1] - FRAME, HOP, dtype=np.float64)
    silence_db = frames.sound_db - SILENT_BELOW_SOUND_DB
    silent = _level(ring.band, starts) - frames.gain_db < silence_db
    place = np.maximum.accumulate(frames.place)
    pre_silent = frames.pre_db < frames.sound_db
    holes = []
    for first, last in runs(silent):
        begin, end = starts[first], starts[last] + FRAME
        if (end - begin) / PER_MS < MIN_INSERTED_MS:
            continue
        before, after = np.interp([begin, end], place, frames.at)
        margin = 100 * PER_MS
        lag_before, lag_after = track.lag_at(np.array([before - margin, after + margin]))
        inserted_ms = _inserted_ms(end - begin, lag_after - lag_before)
        near = (frames.at > before - FRAME) & (frames.at < after + FRAME)
        natural_ms = float(np.count_nonzero(pre_silent & near)) * HOP_MS
        if inserted_ms >= (MIN_INSERTED_MS if natural_ms < PAUSE_MS else MIN_LENGTHENED_MS):
            holes.append(Hole(begin / PER_MS, inserted_ms, inserted=True))
    return holes


def _inserted_ms(silent: float, lag_growth: float) -> float:
    """The lag's growth is exact, the silence is read to a hop: where they disagree, the smaller counts."""
    agree = abs(silent - lag_growth) <= LAG_AGREES
    return _to_half_ms((lag_growth if agree else min(silent, lag_growth)) / PER_MS)


def _to_half_ms(duration_ms: float) -> float:
    return round(2 * duration_ms) / 2


def _merged(holes: Sequence[Hole]) -> list[Hole]:
    merged: list[Hole] = []
    for hole in holes:
        last = merged[-1] if merged else None
        if last is not None and hole.start_ms < last.start_ms + last.duration_ms:
            longest = max(last, hole, key=lambda h: h.duration_ms)
            merged[-1] = Hole(min(last.start_ms, hole.start_ms), longest.duration_ms, longest.inserted)
        else:
            merged.append(hole)
    return merged


def dropouts(holes: Sequence[Hole], reply_ms: float) -> list[Hole]:
    """The holes that listeners notice: every one of 40 ms (as read), and those of 20 ms where there are 3 a minute."""
    long = [hole for hole in holes if hole.duration_ms >= AUDIBLE_HOLE_MS - READING_ERROR_MS]
    short = [hole for hole in holes if SHORT_HOLE_MS <= hole.duration_ms < AUDIBLE_HOLE_MS - READING_ERROR_MS]
    if len(short) < SHORT_HOLES_PER_MINUTE * max(1.0, reply_ms / 60_000.0):
        short = []
    return sorted([*long, *short], key=lambda hole: hole.start_ms)
