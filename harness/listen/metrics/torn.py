"""Speech that was cut out and left silent, told by a listener without a reference. Pure.

A voice falls silent over some 10 ms; a hole begins and ends within a frame or two, between two loud pieces. The closure of a
plosive can look so, and in some synthetic voices again and again. But a mouth opens with another sound than it closed with, and
softly; a hole goes on with the sound that it cut, or is over at full level. Behind a hole of 50 ms and more another sound may
follow, as behind a closure: those count where they come more often than closures so long with edges so hard. One closure still
may pass for a hole, so it takes two in a reply. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.listen.place.onset import runs

PER_MS = 48
RATE_HZ = 48_000
FRAME = 120  # 2.5 ms, every ms
LOUD_PERCENTILE = 95.0
SILENT_UNDER_DB = 30.0  # below the loud frames: what a decoder leaves in a hole
BESIDE_UNDER_DB = 10.0  # on both sides of it
BESIDE_PERCENTILE = 75.0  # of its frames: between two pulses of a low voice a frame is nearly silent
EDGE_MS, BESIDE_MS = 3, 12
SHORTEST_MS, LONGEST_MS = 15, 400
# Behind Opus, 114 of 122 closures with edges as hard as a hole's have neither sign, and 9 in 10 of 443 holes have one
SAME_SOUND_DB = 8.0  # how far the spectra on both sides may be apart, level aside
LONG_MS = 50
OFTEN_S = 2.5  # one in so many seconds; of such closures the voices at hand have one in 4 s at most
AT_ONCE_UNDER_DB = 5.0  # below the loud frames, within AT_ONCE_MS
AT_ONCE_MS = 2
BAND_EDGES_HZ = np.geomspace(200.0, 7_000.0, 17)
SPECTRUM_SIZE = 4_096
HEARD_WITHIN_DB = 40.0  # of the loudest band: below is a codec's noise


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
    found: list[tuple[Torn, bool, bool]] = []  # whether it has a sign of a hole, and whether it is long
    for first, last in runs(level < loud - SILENT_UNDER_DB):
        end = last + 1
        if not SHORTEST_MS <= end - first <= LONGEST_MS or first < reach or end > len(level) - reach:
            continue
        before = np.percentile(level[first - reach : first - EDGE_MS], BESIDE_PERCENTILE)
        after = np.percentile(level[end + EDGE_MS : end + reach], BESIDE_PERCENTILE)
        hole = Torn(first * PER_MS, end * PER_MS + FRAME - PER_MS)
        if min(before, after) <= loud - BESIDE_UNDER_DB:
            continue
        at_once = float(np.max(level[end + AT_ONCE_MS : end + 2 * AT_ONCE_MS])) > loud - AT_ONCE_UNDER_DB
        surely = at_once or _apart_db(samples, hole) < SAME_SOUND_DB
        found.append((hole, surely, end - first >= LONG_MS))
    often = sum(long for _, _, long in found) >= max(2.0, len(samples) / RATE_HZ / OFTEN_S)
    return [hole for hole, surely, long in found if surely or (long and often)]


def _apart_db(samples: npt.NDArray[np.float32], hole: Torn) -> float:
    """How far the spectra of the sound ahead of a hole and behind it are apart, whatever their levels."""
    beside = (EDGE_MS + BESIDE_MS) * PER_MS
    before, after = (_bands_db(samples[at : at + beside]) for at in (hole.start - beside, hole.end))
    quietest = max(before.max(), after.max()) - HEARD_WITHIN_DB
    return float(np.std(np.maximum(before, quietest) - np.maximum(after, quietest)))


def _bands_db(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), SPECTRUM_SIZE)))
    hz = np.fft.rfftfreq(SPECTRUM_SIZE, 1 / RATE_HZ)
    edges = np.searchsorted(hz, BAND_EDGES_HZ)
    return np.asarray(10 * np.log10(np.add.reduceat(power, edges)[:-1] / np.diff(edges) + 1e-12))


def _level_db(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, max(0, len(samples) - FRAME), PER_MS)
    return np.asarray(10 * np.log10((energy[starts + FRAME] - energy[starts]) / FRAME + 1e-12))
