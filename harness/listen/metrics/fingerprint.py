"""How a reply's sound changed on its way, in numbers: level, dynamics, spectrum. For one ReplyPair (pre, arrived).

Level and spectrum are taken over the frames in which pre speaks and the lag is steady. Methods: spec/metrics.md (d):
HF loss after H-83.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter

from harness.listen.metrics.mel_distance import mel_distance_db
from harness.listen.place.pair import HOP, HOP_MS, WINDOW, BoolArray, FloatArray, ReplyPair, band, in_db
from harness.listen.place.ring import DECIMATION

MIN_FRAMES = 20
MEL_MIN_FRAMES = 60  # 300 ms: in less, the 95th percentile is one frame, at the edge where a reply was cut
HF_HZ = (4_000.0, 8_000.0)
LF_HZ = (300.0, 4_000.0)
BANDWIDTH_STEP_HZ = 500.0
BANDWIDTH_TO_HZ = 12_000.0
LOST_BAND_DB = -10.0  # a band that arrives so much weaker is lost
DROP_WINDOW_MS = 150.0
DROP_FILLED = 0.5
NEAR_MS = 25.0
DYNAMICS_RANGE_DB = 25.0


@dataclass(frozen=True)
class Fingerprint:
    """`level_change_db`: arrived minus published. `level_drop_db`: the lowest stretch of 150 ms against the whole, and
    where. `compression_db`: how much less the level varies over 20 dB of speech. `bandwidth_hz`: how far up the bands
    arrive, `band_lost_hz`: how much of pre's bandwidth does not. None where there was too little to compare.
    """

    level_change_db: float
    level_drop_db: float | None
    level_drop_frame: int
    compression_db: float | None
    hf_change_db: float | None
    bandwidth_hz: float | None
    band_lost_hz: float | None
    mel_mean_db: float | None
    mel_p95_db: float | None


def take_fingerprint(pair: ReplyPair, *, cut: bool = False) -> Fingerprint | None:
    """None if too little of the reply can be compared. `cut`: it was interrupted."""
    use = pair.active & pair.settled
    if np.count_nonzero(use) < MIN_FRAMES:
        return None
    drop_db, drop_frame = _deepest_drop(pair)
    mel = mel_distance_db(pair, cut=cut)
    filled, reached = _bandwidth(pair, use)
    return Fingerprint(
        level_change_db=pair.gain_db,
        level_drop_db=drop_db,
        level_drop_frame=drop_frame,
        compression_db=_compression(pair, use & _on_course(pair)),
        hf_change_db=_hf_change(pair, use),
        bandwidth_hz=reached,
        band_lost_hz=None if filled is None else filled - (reached or 0.0),
        mel_mean_db=None if len(mel) == 0 else float(mel.mean()),
        mel_p95_db=None if len(mel) < MEL_MIN_FRAMES else float(np.percentile(mel, 95)),
    )


def _deepest_drop(pair: ReplyPair) -> tuple[float | None, int]:
    """Median of arrived minus published over 150 ms of speech, the lowest; (dB, frame).

    Where the lag is restless, each frame is held against the loudest near it, in both: a place that is a few ms off
    must not look like a loss.
    """
    size = round(DROP_WINDOW_MS / HOP_MS)
    lenient = _near(pair.raw_db) - _near(pair.pre_db)
    change = np.where(pair.settled, pair.raw_db - pair.pre_db, lenient)[pair.active] - pair.gain_db
    at = np.flatnonzero(pair.active)
    if len(change) < size:
        return None, 0
    course = median_filter(change, size=size, mode="nearest")
    spread = np.maximum(np.roll(at, -size // 2) - np.roll(at, size // 2), 1)
    dense = (
        (spread <= size / DROP_FILLED) & (np.arange(len(at)) >= size // 2) & (np.arange(len(at)) < len(at) - size // 2)
    )
    if not dense.any():
        return None, 0
    lowest = int(np.flatnonzero(dense)[np.argmin(course[dense])])
    return float(course[lowest]), int(at[lowest])


def _near(level_db: FloatArray) -> FloatArray:
    near: FloatArray = maximum_filter1d(level_db, 2 * round(NEAR_MS / HOP_MS) + 1)
    return near


def _on_course(pair: ReplyPair) -> BoolArray:
    """Frames between the first and the last place at which the lag was read: a step of a jitter buffer beyond them is not in its
    course, and what is a few ms off looks louder here and weaker there.
    """
    centres = (pair.first + WINDOW / 2 + HOP * np.arange(len(pair.active))) / DECIMATION
    return np.asarray((centres >= pair.track.at[0]) & (centres <= pair.track.at[-1]))


def _compression(pair: ReplyPair, use: BoolArray) -> float | None:
    """Slope of (arrived − published) over the published level, for 20 dB; negative: loud parts arrive weaker."""
    if np.count_nonzero(use) < 2 * MIN_FRAMES:
        return None
    level = pair.pre_db
    inside = use & (level > np.percentile(level[use], 95) - DYNAMICS_RANGE_DB)
    if np.count_nonzero(inside) < 2 * MIN_FRAMES:
        return None
    x, y = level[inside], (pair.raw_db - pair.pre_db)[inside]
    if np.ptp(x) < DYNAMICS_RANGE_DB / 2:
        return None
    cut = np.median(x)
    low, high = x < cut, x >= cut
    rise = float(np.median(y[high]) - np.median(y[low]))
    return 20.0 * rise / float(np.median(x[high]) - np.median(x[low]))


def _band_change(pair: ReplyPair, use: BoolArray, low_hz: float, high_hz: float) -> tuple[float, float]:
    """(change of the band's power in dB, its share of pre's power)."""
    bins = band(low_hz, high_hz)
    before = float(pair.pre_power[bins][:, use].sum())
    after = float(pair.heard_power[bins][:, use].sum())
    total = float(pair.pre_power[:, use].sum())
    return float(in_db(after) - in_db(before)), before / max(total, 1e-12)


def _hf_change(pair: ReplyPair, use: BoolArray) -> float | None:
    high, share = _band_change(pair, use, *HF_HZ)
    low, _ = _band_change(pair, use, *LF_HZ)
    return None if share < 1e-6 else high - low


def _bandwidth(pair: ReplyPair, use: BoolArray) -> tuple[float | None, float | None]:
    """Up to which frequency pre fills the bands of 500 Hz, and how much of that arrives, from 0 Hz on.

    Counted band by band: a codec's noise in one band at the very top is no bandwidth.
    """
    filled, lost = None, 0
    for low_hz in np.arange(500.0, BANDWIDTH_TO_HZ, BANDWIDTH_STEP_HZ):
        change, share = _band_change(pair, use, low_hz, low_hz + BANDWIDTH_STEP_HZ)
        if share < 1e-6:
            continue
        filled = float(low_hz + BANDWIDTH_STEP_HZ)
        lost += change <= LOST_BAND_DB
    return filled, None if filled is None else filled - lost * BANDWIDTH_STEP_HZ
