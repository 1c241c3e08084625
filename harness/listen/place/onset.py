"""Where sound begins and ends in one recording: runs of sound, to a quarter of a millisecond.

Level is the RMS of the 5 ms that *end* at a sample, so that a hard edge is dated where it is, not 5 ms early. Sound is
a run of at least 30 ms above noise floor + 15 dB and above −50 dBFS, walked out to the floor + 6 dB crossing on both
sides, for 50 ms at most; a steady noise there (a gate that opened) is no part of the word. Shorter runs are clicks and no
onset. The floor is the recording's own 10th percentile. Positions are samples.
Method: spec/metrics.md (e), USER_KPI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.audio import Audio

HOP_MS = 0.25
WINDOW_MS = 5.0
MIN_RUN_MS = 30.0
BRIDGE_MS = 10.0  # a low voice is quiet between two pitch pulses
ABOVE_FLOOR_DB = 15.0
AUDIBLE_DBFS = -50.0
WALK_ABOVE_FLOOR_DB = 6.0
WALK_LIMIT_MS = 50.0  # a breath or a decaying hiss is not part of the word
STEADY_DB = 4.0  # between the 10th and the 90th percentile of a noise; a voice that begins swells, a consonant too
ABOVE_NOISE_DB = 3.0
FLOOR_PERCENTILE = 10.0
LOWEST_FLOOR_DBFS = -66.0  # below it nobody hears anything: the tail of a codec in digital silence is no sound
SILENCE_DBFS = -120.0
BLOCK_HOPS = 240_000  # levels computed at once: a minute

FloatLevels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """[start, end) in samples: a run of sound."""

    start: int
    end: int


@dataclass(frozen=True)
class Threshold:
    """dBFS: above `loud` it is sound; a sound is walked out to where it falls to `quiet`."""

    loud: float
    quiet: float


def threshold_above(floor_dbfs: float) -> Threshold:
    return Threshold(max(floor_dbfs + ABOVE_FLOOR_DB, AUDIBLE_DBFS), floor_dbfs + WALK_ABOVE_FLOOR_DB)


def level_db(audio: Audio) -> FloatLevels:
    """dBFS of the WINDOW_MS that end at sample (i + 1) · hop, for each hop; shape (len // hop,)."""
    hop = round(audio.rate_hz * HOP_MS / 1e3)
    hops_in_window = round(WINDOW_MS / HOP_MS)
    count = len(audio) // hop
    levels = np.empty(count)
    before = np.zeros(hops_in_window + 1)  # running energy up to each of the last hops
    for first in range(0, count, BLOCK_HOPS):
        part = audio.samples[first * hop : min(count, first + BLOCK_HOPS) * hop].reshape(-1, hop)
        hops = np.einsum("ij,ij->i", part, part).astype(np.float64)
        energy = np.concatenate([before[:-1], np.cumsum(np.concatenate([before[-1:], hops]))])
        power = (energy[hops_in_window + 1 :] - energy[1:-hops_in_window]) / (hop * hops_in_window)
        levels[first : first + len(hops)] = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DBFS / 10)))
        before = energy[-len(before) :]
    return levels


def noise_floor_dbfs(levels: FloatLevels) -> float:
    if len(levels) == 0:
        return LOWEST_FLOOR_DBFS
    return max(LOWEST_FLOOR_DBFS, float(np.percentile(levels, FLOOR_PERCENTILE)))


def find_sounds(
    audio: Audio,
    floor_dbfs: float | None = None,
    levels: FloatLevels | None = None,
    threshold: Threshold | None = None,
) -> list[Sound]:
    """All runs of sound in order. `floor_dbfs`: the noise floor, if known from a longer recording; `levels`: if known
    already; `threshold`: replaces that of the noise floor.
    """
    levels = level_db(audio) if levels is None else levels
    if threshold is None:
        threshold = threshold_above(noise_floor_dbfs(levels) if floor_dbfs is None else floor_dbfs)
    quiet = np.concatenate([[-1], np.flatnonzero(levels <= threshold.quiet), [len(levels)]])
    hop = round(audio.rate_hz * HOP_MS / 1e3)
    window_hops = round(WINDOW_MS / HOP_MS)
    limit = round(WALK_LIMIT_MS / HOP_MS)
    sounds: list[Sound] = []
    for first, last in _bridged(runs(levels > threshold.loud), round((BRIDGE_MS - WINDOW_MS) / HOP_MS)):
        if (last - first + 1 - window_hops) * HOP_MS < MIN_RUN_MS:
            continue
        at = int(np.searchsorted(quiet, first))
        begin = int(quiet[at - 1]) + 1
        if begin < first - limit:
            begin = _out_of_noise(levels, first - limit, first, window_hops)
        after = min(int(quiet[np.searchsorted(quiet, last)]), last + 1 + limit)
        # hop `begin` is the first whose window, ending with it, holds sound: the sound starts within that hop;
        # the last loud window starts where the sound ends
        start, end = begin * hop, (after - window_hops + 1) * hop if after < len(levels) else len(audio)
        if sounds and start <= sounds[-1].end:
            sounds[-1] = Sound(sounds[-1].start, max(end, sounds[-1].end))
        else:
            sounds.append(Sound(max(0, start), min(end, len(audio))))
    return sounds


def _out_of_noise(levels: FloatLevels, begin: int, first: int, window_hops: int) -> int:
    """Where the level rises between `begin` and `first`, if it is steady until then; else `begin`."""
    ahead = levels[begin:first]
    noise = ahead[:-window_hops]
    if not is_steady(noise):
        return begin
    within = np.flatnonzero(ahead <= np.median(noise) + ABOVE_NOISE_DB)
    return begin + int(within[-1]) + 1


def is_steady(levels: FloatLevels) -> bool:
    low, high = np.percentile(levels, [10, 90])
    return bool(high - low <= STEADY_DB)


def _bridged(found: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in found:
        if joined and first - joined[-1][1] - 1 <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) index of every run of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))
