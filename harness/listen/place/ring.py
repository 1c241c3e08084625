"""One recording prepared for listening: its sounds at 48 kHz and its voice band (300 to 3,400 Hz) at 8 kHz.

Everything that compares two recordings works in the voice band, which a codec keeps; everything that dates an edge
works at the full rate. Both are computed once. The band's filter delays all recordings alike, so differences are exact. A
long recording's band is kept on disk (storage.py): use it and let it go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from harness.listen.place.bed import Bed, find_bed
from harness.listen.place.onset import Sound, find_sounds, level_db, noise_floor_dbfs
from harness.listen.read.storage import Mapped, is_long, resampled, spill
from harness.model.audio import Audio

BAND_RATE_HZ = 8_000
BAND_HZ = (300.0, 3_400.0)
DECIMATION = 6  # 48 kHz → 8 kHz

BandArray = npt.NDArray[np.float64]


def voice_band(audio: Audio) -> BandArray:
    """300 to 3,400 Hz at BAND_RATE_HZ; sample i stands at i · DECIMATION of the recording."""
    return np.concatenate([np.zeros(0), *_band_blocks(audio)])


def _band_blocks(audio: Audio) -> Iterator[BandArray]:
    if audio.rate_hz != BAND_RATE_HZ * DECIMATION:
        raise ValueError(f"the voice band is taken from {BAND_RATE_HZ * DECIMATION} Hz, not {audio.rate_hz}")
    sos = butter(4, BAND_HZ, "bandpass", fs=BAND_RATE_HZ, output="sos")
    state = np.zeros((len(sos), 2))
    for slow in resampled(lambda start, end: audio.samples[start:end], len(audio), audio.rate_hz, BAND_RATE_HZ):
        block, state = sosfilt(sos, slow.astype(np.float64), zi=state)
        yield block


@dataclass(frozen=True, eq=False)
class Ring:
    """A recording by its name ("ear"). Sounds are in samples of the recording, the band in samples at 8 kHz.

    `may_have_bed`: the agent is not known to be silent between its replies.
    """

    name: str
    audio: Audio
    may_have_bed: bool = False
    left_out: tuple[Sound, ...] = ()  # sounds that are known to be no agent's

    @cached_property
    def _loudness(self) -> tuple[float, list[Sound], Bed | None]:
        levels = level_db(self.audio)
        bed = find_bed(levels) if self.may_have_bed else None
        floor = noise_floor_dbfs(levels) if bed is None else bed.floor_dbfs
        sounds = find_sounds(self.audio, floor, levels, bed.threshold if bed is not None else None)
        return floor, [sound for sound in sounds if sound not in self.left_out], bed

    @property
    def bed(self) -> Bed | None:
        """The constant sound under the agent's voice, which is not counted among its sounds."""
        return self._loudness[2]

    @property
    def floor_dbfs(self) -> float:
        return self._loudness[0]

    @property
    def sounds(self) -> list[Sound]:
        return self._loudness[1]

    @cached_property
    def _band(self) -> BandArray | Mapped:
        if is_long(len(self.audio), self.audio.rate_hz):
            return spill(_band_blocks(self.audio), np.float64)
        return voice_band(self.audio)

    @property
    def band(self) -> BandArray:
        return self._band.array() if isinstance(self._band, Mapped) else self._band

    def picked(self, place: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The samples at `place`, silence outside of the recording."""
        low, high = max(0, int(place.min())), min(len(self.audio), int(place.max()) + 1)
        part = np.asarray(self.audio.samples[low : max(low, high)], np.float32)
        if len(part) == 0:
            return np.zeros(len(place), np.float32)
        inside = (place >= low) & (place < high)
        return np.where(inside, part[np.clip(place - low, 0, len(part) - 1)], np.float32(0))

    def silent(self) -> bool:
        """Whether it holds nothing a person could hear."""
        return not self.sounds
