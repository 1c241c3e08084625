"""How far the spectrum of what arrived is from what was published, frame by frame, along the course of the lag.

Mean absolute difference of the log mel spectra, dB, after level matching (H-79: 64 mel bands, 80 Hz to 12 kHz, floor
60 dB below the loudest). Where the lag moves, its course is off by as much as the move, and misses a move back and forth
altogether: frames that seem far off are looked for again, block by block, before they count.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from harness.listen.metrics.mel import MEL_FLOOR_DB, mel_bank
from harness.listen.place.pair import HOP, PER_MS, WINDOW, BoolArray, FloatArray, ReplyPair, in_db, power_spectrum
from harness.listen.place.rejoin import RESTLESS_FRAMES, placed_again

WHOLE_WITHIN_DB = 3.0
DOUBTFUL_DB = 3.0  # above the reply's median; 95 % of a clean reply's frames in their place are within 1 dB of it


def mel_distance_db(pair: ReplyPair, *, cut: bool = False) -> FloatArray:
    """One value per frame in which pre speaks and its arrived place is known. `cut`: of a reply that was interrupted, only what
    arrived until it fell silent; what its publisher still held was never sent.
    """
    before = in_db(mel_bank() @ pair.pre_power)
    floor_db = float(before[:, pair.active & pair.settled].max()) - MEL_FLOOR_DB
    as_placed = _distance(before, pair.heard_power, floor_db)
    usual_db = float(np.median(as_placed[pair.active & pair.settled]))
    doubtful = pair.active & (~pair.settled | (as_placed > usual_db + DOUBTFUL_DB))
    sent = _until_silent(pair) if cut else np.ones(len(as_placed), bool)
    if not doubtful.any():
        return as_placed[pair.active & sent]
    again = placed_again(pair, _in_ms(doubtful, len(pair.place) // PER_MS))
    power = power_spectrum(pair.source.picked(again.place)) * 10 ** (-pair.gain_db / 10)
    fits, moved = _in_frames(~again.fits, len(as_placed)) == 0, _in_frames(again.moved, len(as_placed)) > 0
    distance = np.where(fits, _distance(before, power, floor_db), as_placed)
    known = fits | (pair.settled & ~moved)
    return np.asarray(distance[pair.active & known & sent])


def _until_silent(pair: ReplyPair) -> BoolArray:
    """Frames up to the last one that arrived about as loud as it was published."""
    whole = np.flatnonzero(pair.active & (pair.raw_db - pair.gain_db > pair.pre_db - WHOLE_WITHIN_DB))
    last = int(whole[-1]) if len(whole) else -1
    return np.asarray(np.arange(len(pair.active)) <= last)


def _distance(before_db: FloatArray, power: FloatArray, floor_db: float) -> FloatArray:
    after_db = in_db(mel_bank() @ power)
    return np.asarray(np.abs(np.maximum(before_db, floor_db) - np.maximum(after_db, floor_db)).mean(axis=0))


def _in_ms(frames: BoolArray, n_ms: int) -> BoolArray:
    """For each ms, whether a frame near it is one of `frames`."""
    wide = maximum_filter1d(frames.astype(np.uint8), 2 * RESTLESS_FRAMES + 1)
    at = (np.arange(n_ms) * PER_MS - WINDOW // 2) // HOP
    return np.asarray(wide[np.clip(at, 0, len(wide) - 1)] != 0)


def _in_frames(of_ms: BoolArray, n_frames: int) -> FloatArray:
    """Number of ms in each frame."""
    total = np.concatenate([[0], np.cumsum(of_ms)])
    first = np.arange(n_frames) * (HOP // PER_MS)
    return np.asarray(total[np.minimum(first + WINDOW // PER_MS, len(of_ms))] - total[np.minimum(first, len(of_ms))])
