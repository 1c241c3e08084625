"""One reply in two recordings, side by side: pre_rtc as published, and the arrived sound warped onto pre_rtc's time.

The arrived sound is picked sample by sample along the lag's course (nearest sample, so that no filter dulls it) and
level-matched by its median gain. Short-time power spectra of both, 20 ms every 5 ms, are computed once for all
fingerprints. Shapes: samples (n,), power (n_bins, n_frames), full scale ±1, 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft, rfftfreq
from scipy.signal import get_window

from harness.listen.place.delay import DelayTrack
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring

RATE_HZ = BAND_RATE_HZ * DECIMATION
PER_MS = RATE_HZ // 1_000
WINDOW = 20 * PER_MS
HOP = 5 * PER_MS
HOP_MS = HOP / PER_MS
FREQUENCIES_HZ = rfftfreq(WINDOW, 1 / RATE_HZ)
POWER_FLOOR = 1e-12  # −120 dBFS
ACTIVE_BELOW_PEAK_DB = 30.0  # a frame so far below the loud ones is a pause or an edge

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def power_spectrum(samples: npt.NDArray[np.floating]) -> FloatArray:
    """Power in each bin (a full-scale sine: 0.5 in all), frames of WINDOW every HOP; shape (n_bins, n_frames)."""
    if len(samples) < WINDOW:
        samples = np.pad(samples, (0, WINDOW - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = get_window("hann", WINDOW).astype(np.float32)
    spectrum = rfft(frames * window, axis=1)
    scale = 2.0 / (np.sum(window.astype(np.float64) ** 2) * WINDOW)
    power: FloatArray = (scale * np.abs(spectrum.astype(np.complex64)) ** 2).astype(np.float64).T
    return power


def band(low_hz: float, high_hz: float) -> slice:
    """The bins of [low_hz, high_hz)."""
    first, last = np.searchsorted(FREQUENCIES_HZ, [low_hz, high_hz])
    return slice(int(first), int(last))


def in_db(power: FloatArray | float) -> FloatArray:
    return np.asarray(10 * np.log10(np.maximum(power, POWER_FLOOR)))


@dataclass(frozen=True, eq=False)
class ReplyPair:
    """`pre`: the reply and `margin` samples of pre_rtc ahead of it and behind; `heard`: what arrived in its place.

    `first`: pre's position of sample 0; `place`: position in the ring for each of them; `settled`: frames around which
    the lag is steady, so that fine detail may be compared.
    """

    published: Ring
    source: Ring  # in which it arrived
    first: int
    margin: int
    pre: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32]  # what arrived, at its own level
    place: npt.NDArray[np.int64]
    settled: BoolArray
    track: DelayTrack

    def ring_ms(self, sample: int) -> float:
        """Where sample `sample` of the pair stands in the ring's recording."""
        return float(self.place[min(max(sample, 0), len(self.place) - 1)]) / PER_MS

    @cached_property
    def pre_power(self) -> FloatArray:
        return power_spectrum(self.pre)

    @cached_property
    def raw_power(self) -> FloatArray:
        return power_spectrum(self.raw)

    @cached_property
    def pre_db(self) -> FloatArray:
        """Level of each frame, 100 Hz to 12 kHz."""
        return in_db(self.pre_power[band(100, 12_000)].sum(axis=0))

    @cached_property
    def raw_db(self) -> FloatArray:
        return in_db(self.raw_power[band(100, 12_000)].sum(axis=0))

    @cached_property
    def active(self) -> BoolArray:
        """Frames in which pre speaks."""
        loud = float(np.percentile(self.pre_db, 95))
        return np.asarray(self.pre_db > max(loud - ACTIVE_BELOW_PEAK_DB, -55.0))

    @cached_property
    def gain_db(self) -> float:
        """How much louder it arrived: median over the active, settled frames."""
        use = self.active & self.settled
        use = use if use.any() else self.active
        return float(np.median((self.raw_db - self.pre_db)[use])) if use.any() else 0.0

    @cached_property
    def heard(self) -> npt.NDArray[np.float32]:
        """What arrived, at pre's level."""
        return self.raw * np.float32(10 ** (-self.gain_db / 20))

    @cached_property
    def heard_power(self) -> FloatArray:
        return self.raw_power * 10 ** (-self.gain_db / 10)


MARGIN_MS = 120.0
FINE_BLOCK = 40 * PER_MS
FINE_REACH = 4  # samples; the track is good to about 3
UNSETTLED_SPREAD = 8.0  # samples of the band, 1 ms, within a window's reach


def make_pair(
    pre: Ring, span: tuple[int, int], ring: Ring, track: DelayTrack, *, until: int | None = None
) -> ReplyPair:
    """`span`: the reply in pre at 48 kHz. `until`: where it was cut, in pre."""
    margin = round(MARGIN_MS * PER_MS)
    end = min(span[1], until) if until is not None else span[1]
    first, last = max(0, span[0] - margin), min(len(pre.audio), end + margin)
    at = np.arange(first, last)
    published = np.asarray(pre.audio.samples[first:last])
    coarse = np.rint(at + track.lag_at(at / DECIMATION) * DECIMATION).astype(np.int64)
    place = coarse + _fine_shift(published, coarse, ring)
    raw = ring.picked(place)
    centres = (first + WINDOW / 2 + HOP * np.arange(max(1, (last - first - WINDOW) // HOP + 1))) / DECIMATION
    settled = track.restlessness(centres) < UNSETTLED_SPREAD
    return ReplyPair(pre, ring, first, span[0] - first, published, raw, place, settled, track)


def _fine_shift(published: npt.NDArray[np.float32], coarse: npt.NDArray[np.int64], ring: Ring) -> npt.NDArray[np.int64]:
    """Shift in samples at which each block of 40 ms fits best, at the full rate; in a pause, its neighbours' shift."""
    n_blocks = len(published) // FINE_BLOCK
    if n_blocks == 0:
        return np.zeros(len(published), np.int64)
    n = n_blocks * FINE_BLOCK
    blocks = published[:n].reshape(n_blocks, FINE_BLOCK)
    shifts = np.arange(-FINE_REACH, FINE_REACH + 1)
    fit = np.empty((len(shifts), n_blocks))
    for row, shift in enumerate(shifts):
        heard = ring.picked(coarse[:n] + shift).reshape(n_blocks, FINE_BLOCK)
        energy = np.einsum("ij,ij->i", heard, heard, dtype=np.float64)
        fit[row] = np.einsum("ij,ij->i", blocks, heard, dtype=np.float64) / np.sqrt(energy + 1e-9)
    best = shifts[np.argmax(fit, axis=0)].astype(np.float64)
    sure = np.flatnonzero(fit.max(axis=0) > 0.5 * np.sqrt(np.einsum("ij,ij->i", blocks, blocks) + 1e-9))
    sure = sure[np.einsum("ij,ij->i", blocks, blocks)[sure] > FINE_BLOCK * 10 ** (-45 / 10)]
    if len(sure) == 0:
        return np.zeros(len(published), np.int64)
    centres = (np.arange(n_blocks) + 0.5) * FINE_BLOCK
    return np.rint(np.interp(np.arange(len(published)), centres[sure], best[sure])).astype(np.int64)
