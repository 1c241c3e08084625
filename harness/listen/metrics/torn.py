"""Speech that was cut out and left silent, told by a listener without a reference. Pure.

A voice falls silent over some 10 ms; a hole begins and ends within a frame or two, between two loud pieces. The closure of a
plosive can look so, about once in a minute of speech, so it takes two in a reply. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.onset import runs

PER_MS = 48
FRAME = 120  # 2.5 ms, every ms
LOUD_PERCENTILE = 95.0
SILENT_UNDER_DB = 30.0  # below the loud frames: what a decoder leaves in a hole
BESIDE_UNDER_DB = 9.0  # on both sides of it
BESIDE_PERCENTILE = 75.0  # of its frames: between two pulses of a low voice a frame is nearly silent
EDGE_MS, BESIDE_MS = 3, 12
SHORTEST_MS, LONGEST_MS = 15, 400


@dataclass(frozen=True)
class Torn:
    """[start, end) in samples of what was given."""

    start: int
    end: int


def find_torn(samples: npt.NDArray[np.float32]) -> list[Torn]:
    """Silences of 15 to 400 ms with a hard edge on either side, in order."""
    level = _level_db(samples)
    reach = EDGE_MS + BESIDE_MS
    if len(level) <= 2 * reach:
        return []
    loud = float(np.percentile(level, LOUD_PERCENTILE))
    found = []
    for first, last in runs(level < loud - SILENT_UNDER_DB):
        end = last + 1
        if not SHORTEST_MS <= end - first <= LONGEST_MS or first < reach or end > len(level) - reach:
            continue
        before = np.percentile(level[first - reach : first - EDGE_MS], BESIDE_PERCENTILE)
        after = np.percentile(level[end + EDGE_MS : end + reach], BESIDE_PERCENTILE)
        if min(before, after) > loud - BESIDE_UNDER_DB:
            found.append(Torn(first * PER_MS, end * PER_MS + FRAME - PER_MS))
    return found


def _level_db(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, max(0, len(samples) - FRAME), PER_MS)
    return np.asarray(10 * np.log10((energy[starts + FRAME] - energy[starts]) / FRAME + 1e-12))
