"""One recording prepared for listening: its sounds at 48 kHz and its voice band (300 to 3,400 Hz) at 8 kHz.

Everything that compares two recordings works in the voice band, which a codec keeps; everything that dates an edge
works at the full rate. Both are computed once. The band's filter delays all recordings alike, so differences are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfilt

from harness.listen.onset import Sound, find_sounds, level_db, noise_floor_dbfs
from harness.model.audio import Audio

BAND_RATE_HZ = 8_000
BAND_HZ = (300.0, 3_400.0)
DECIMATION = 6  # 48 kHz → 8 kHz

BandArray = npt.NDArray[np.float64]


def voice_band(audio: Audio) -> BandArray:
    """300 to 3,400 Hz at BAND_RATE_HZ; sample i stands at i · DECIMATION of the recording."""
    if audio.rate_hz != BAND_RATE_HZ * DECIMATION:
        raise ValueError(f"the voice band is taken from {BAND_RATE_HZ * DECIMATION} Hz, not {audio.rate_hz}")
    slow = resample_poly(audio.samples, 1, DECIMATION)
    band: BandArray = sosfilt(butter(4, BAND_HZ, "bandpass", fs=BAND_RATE_HZ, output="sos"), slow.astype(np.float64))
    return band


@dataclass(frozen=True, eq=False)
class Ring:
    """A recording by its name ("ear"). Sounds are in samples of the recording, the band in samples at 8 kHz."""

    name: str
    audio: Audio

    @cached_property
    def floor_dbfs(self) -> float:
        return noise_floor_dbfs(level_db(self.audio))

    @cached_property
    def sounds(self) -> list[Sound]:
        return find_sounds(self.audio, self.floor_dbfs)

    @cached_property
    def band(self) -> BandArray:
        return voice_band(self.audio)

    @cached_property
    def band_energy(self) -> BandArray:
        """Cumulative energy of the band: energy of [a, b) is the difference, also at fractional positions."""
        return np.concatenate([[0.0], np.cumsum(self.band**2)])

    def silent(self) -> bool:
        """Nothing a person could hear anywhere in it."""
        return not self.sounds
