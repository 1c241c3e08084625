"""How alike the published and the heard sound are, every 5 ms, where the lag's course places them.

Three measures over 40 ms: the waveform's correlation (8 kHz, first difference, so that a codec's turned low phases do not
count), the distance of mel shapes (40 bands 100 Hz to 7.6 kHz, within 40 dB of the frame's loudest, level removed), and the
level against that of the second around it. Sound against sound alone is judged; silence against silence is neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter, uniform_filter1d

from harness.listen.ledger.floors import LEVEL_DB, QUIET_DB, SHAPE_DB, WAVE
from harness.listen.place.pair import FREQUENCIES_HZ, HOP, WINDOW, BoolArray, FloatArray, ReplyPair, band, in_db
from harness.listen.place.ring import DECIMATION

N_BANDS = 40
BANDS_HZ = (100.0, 7_600.0)
RANGE_DB = 40.0
FLOOR_DB = -85.0
SPREAD = 5  # frames: 40 ms of sound
AROUND = 200  # frames: a second, whose usual level is taken off
DIFFERENCE = 0.9
FULL_SHAPE_DB = 8.0  # mel shapes so far apart have nothing in common


@dataclass(frozen=True, eq=False)
class Frames:
    """Of each frame of the pair: `judged`, there is sound to compare; `alike`; `likeness`, 0 to 1; levels in dB."""

    judged: BoolArray
    alike: BoolArray
    likeness: FloatArray
    published_db: FloatArray
    heard_db: FloatArray
    quiet_db: float  # below it a frame is silence

    @property
    def sound(self) -> BoolArray:
        return self.judged & self.alike


@lru_cache(maxsize=1)
def bank() -> FloatArray:
    """Triangles on the mel scale, shape (N_BANDS, bins of `pair.power_spectrum`)."""
    low, high = (2_595 * np.log10(1 + f / 700) for f in BANDS_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, N_BANDS + 2) / 2_595) - 1)
    rise = (FREQUENCIES_HZ[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - FREQUENCIES_HZ[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.clip(np.minimum(rise, fall), 0.0, None) + 1e-9)


def shape_distance_db(published: FloatArray, heard: FloatArray) -> FloatArray:
    """Mean difference of the mel shapes of power spectra (n_bins, n_frames), level removed; of each frame."""
    a, b = in_db(bank() @ published), in_db(bank() @ heard)
    floor = np.maximum(np.maximum(a.max(axis=0), b.max(axis=0)) - RANGE_DB, FLOOR_DB)
    difference = np.maximum(a, floor) - np.maximum(b, floor)
    return np.asarray(np.abs(difference - difference.mean(axis=0)).mean(axis=0))


def wave_likeness(published: npt.NDArray[np.floating], heard: npt.NDArray[np.floating], n_frames: int) -> FloatArray:
    """Correlation of the waveforms over 40 ms around each frame; both at 48 kHz."""
    x, y = _slow(published), _slow(heard)
    hop, size = HOP // DECIMATION, 2 * WINDOW // DECIMATION

    def windows(values: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(np.pad(values, (size // 4, size)))])
        at = np.arange(n_frames) * hop
        return np.asarray(total[at + size] - total[at])

    return np.asarray(windows(x * y) / np.sqrt(windows(x * x) * windows(y * y) + 1e-12))


def _slow(samples: npt.NDArray[np.floating]) -> FloatArray:
    n = len(samples) // DECIMATION
    slow = samples[: n * DECIMATION].reshape(n, DECIMATION).mean(axis=1, dtype=np.float64)
    return np.concatenate([slow[:1], slow[1:] - DIFFERENCE * slow[:-1]])


def compare(pair: ReplyPair) -> Frames:
    """All frames of the pair."""
    n = pair.pre_power.shape[1]
    wave = wave_likeness(pair.pre, pair.heard, n)
    shape = uniform_filter1d(shape_distance_db(pair.pre_power, pair.heard_power), SPREAD)
    voice = band(*BANDS_HZ)
    published = _smooth_db(pair.pre_power[voice].sum(axis=0))
    heard = _smooth_db(pair.heard_power[voice].sum(axis=0))
    loud = float(np.percentile(published, 95))
    quiet = max(loud - QUIET_DB, FLOOR_DB + 20)
    judged = np.maximum(published, heard) > quiet
    gain = heard - published
    both = np.minimum(published, heard) > quiet
    usual = float(np.median(gain[both])) if both.any() else 0.0
    slow = median_filter(np.where(both, gain, usual), AROUND, mode="nearest") if n > AROUND else np.full(n, usual)
    wave_floor = min(WAVE, float(np.percentile(wave[both], 10)) - 0.25) if both.any() else WAVE
    alike = (wave >= wave_floor) & (shape <= SHAPE_DB) & (np.abs(gain - slow) <= LEVEL_DB)
    likeness = np.clip(np.maximum(wave, 1 - shape / FULL_SHAPE_DB), 0.0, 1.0)
    return Frames(judged, alike, likeness, published, heard, quiet)


def _smooth_db(power: FloatArray) -> FloatArray:
    return in_db(uniform_filter1d(power, 3))
