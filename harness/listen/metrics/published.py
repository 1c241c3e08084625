"""Defects that a reply has already as it was published: holes, clicks and repeats in pre_rtc itself.

Without a reference, a flaw is what speech never does: digital silence cut into loud sound with a hard edge,
a spike alone among its neighbours, the same samples again. Positions are samples of pre_rtc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from harness.listen.metrics.repeats import repeats_as_published
from harness.listen.place.onset import runs

PER_MS = 48
SILENT_SAMPLE = 4 / 32768.0
HOLE_MIN_MS = 12.0
HOLE_MAX_MS = 1_500.0
EDGE = 10 * PER_MS  # a pitch period
EDGE_DBFS = -38.0
JUMP_SHARE = 0.07  # of the sound beside it: sound that ends by itself has faded to nothing within its last samples
JUMP_LEAST = 64 / 32768.0  # the closures of a synthetic voice begin with up to 50
SPIKE_OVER_DB = 11.5  # the bursts of plosives stand up to 10 dB above what is beside them
SPIKE_NEAR_MS = 2
SPIKE_REACH_MS = 12
SPIKE_SHARE = 0.15  # of the reply's peak


@dataclass(frozen=True)
class Flaw:
    """[start, end) in samples of pre_rtc."""

    kind: str  # dropout | click | repeat
    start: int
    end: int
    detail: str


def find_flaws(samples: npt.NDArray[np.float32], first: int) -> list[Flaw]:
    """Flaws of the reply `samples`, which begins at sample `first` of pre_rtc; in order."""
    holes = [Flaw("dropout", a, b, "digital silence with a hard edge") for a, b in _cut_out(samples)]
    spikes = [s for s in _spikes(samples) if not any(s.start < h.end + EDGE and h.start - EDGE < s.end for h in holes)]
    repeats = [
        Flaw("repeat", r.start, r.start + round(r.duration_ms * PER_MS), "the same samples again")
        for r in repeats_as_published(samples)
    ]
    found = [*holes, *spikes, *repeats]
    return sorted((Flaw(f.kind, f.start + first, f.end + first, f.detail) for f in found), key=lambda f: f.start)


def _dbfs(part: npt.NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(np.square(part, dtype=np.float64)) + 1e-12)) if len(part) else -120.0


def _cut_out(samples: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    silent = np.abs(samples) < SILENT_SAMPLE
    found = []
    for first, last in runs(silent):
        length = last - first + 1
        if not HOLE_MIN_MS * PER_MS <= length <= HOLE_MAX_MS * PER_MS:
            continue
        before, after = samples[max(0, first - EDGE) : first], samples[last + 1 : last + 1 + EDGE]
        if _hard(before[-2:], before) or _hard(after[:2], after):
            found.append((first, last + 1))
    return found


def _hard(edge: npt.NDArray[np.float32], beside: npt.NDArray[np.float32]) -> bool:
    """Whether sound begins or ends between two samples."""
    level = _dbfs(beside)
    if level < EDGE_DBFS or len(edge) == 0:
        return False
    return float(np.max(np.abs(edge))) > max(JUMP_LEAST, JUMP_SHARE * 10 ** (level / 20))


def spike_course(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """dB of each ms above all others within 12 ms that are not its neighbours; −inf where it is no peak, or quiet."""
    n = len(samples) // PER_MS
    if n < 2 * SPIKE_REACH_MS:
        return np.zeros(0)
    peaks = np.abs(samples[: n * PER_MS]).reshape(n, PER_MS).max(axis=1).astype(np.float64)
    reach, near = SPIKE_REACH_MS, SPIKE_NEAR_MS
    padded = np.pad(peaks, reach)
    before = np.array([padded[reach + k - reach : reach + k - near + 1].max() for k in range(n)])
    after = np.array([padded[reach + k + near : reach + k + reach + 1].max() for k in range(n)])
    over_db = 20 * np.log10(np.maximum(peaks, 1e-9) / np.maximum(np.maximum(before, after), 1e-6))
    alone = (peaks > SPIKE_SHARE * peaks.max()) & (peaks >= maximum_filter1d(peaks, 2 * near + 1))
    return np.where(alone, over_db, -np.inf)


def _spikes(samples: npt.NDArray[np.float32]) -> list[Flaw]:
    """A ms whose peak stands above all others within 30 ms, and that is over at once on both sides."""
    over_db = spike_course(samples)
    return [
        Flaw("click", k * PER_MS, (k + 1) * PER_MS, f"{over_db[k]:.1f} dB above all beside it")
        for k in np.flatnonzero(over_db > SPIKE_OVER_DB).tolist()
    ]
