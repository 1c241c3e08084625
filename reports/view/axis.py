"""The rings of one turn on one time axis, in seconds; 0 is the user's true end of turn.

ear and mic share a clock; post and pre are aligned to the ear's (in the bot lane, to post's) by the place of the same reply
in each. Recordings are float32 mono at 48 kHz, whatever the files are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from harness.model.audio import FloatArray
from harness.model.capture import EAR, MIC, POST_RTC, POST_USER, PRE_RTC, recording
from harness.model.measurement import Measurement, RingName, Turn
from harness.model.riff import RiffError
from harness.model.wav_file import open_wav

RATE_HZ = 48_000
NAMES = {
    "user": "user",
    "pre_rtc": "pre-RTC (agent's PCM)",
    "post_rtc": "post-RTC (second listener)",
    "ear": "ear (browser)",
}
FILES = {"pre_rtc": PRE_RTC, "post_rtc": POST_RTC, "ear": EAR}


@dataclass(frozen=True, eq=False)
class Row:
    """One recording: `zero` is its sample at time 0."""

    ring: str
    samples: FloatArray
    zero: float

    def window(self, start_s: float, end_s: float) -> FloatArray:
        """Samples from start to end, silence where the recording has none."""
        first = round(self.zero + start_s * RATE_HZ)
        out = np.zeros(round((end_s - start_s) * RATE_HZ), np.float32)
        lo, hi = max(0, first), min(len(self.samples), first + len(out))
        if lo < hi:
            out[lo - first : hi - first] = self.samples[lo:hi]
        return out


def main_ring(measurement: Measurement) -> RingName:
    """The ring of the lane's first latency."""
    return "ear" if measurement.lane == "browser" else "post_rtc"


def user_file(measurement: Measurement) -> str:
    """The user's recording on the clock of the main ring."""
    return MIC if measurement.lane == "browser" else POST_USER


def zeros_of(measurement: Measurement, turn: Turn) -> dict[str, float]:
    """Recording ("user", a ring) → its sample at time 0. A ring in which this reply was not found is left out."""
    main = main_ring(measurement)
    span = turn.spans.get(main)
    zero = turn.mic_end_sample if turn.mic_end_sample is not None else turn.onset_sample
    if zero is None:
        zero = span.start if span is not None else RATE_HZ
    zeros: dict[str, float] = {"user": zero}
    for ring in FILES:
        own = turn.spans.get(ring)
        if ring == main:
            zeros[ring] = zero
        elif own is not None and span is not None:
            zeros[ring] = own.start - (span.start - zero)
    return zeros


def read_rows(folder: Path, measurement: Measurement, turn: Turn) -> list[Row]:
    """The readable recordings: the user, then the rings on the way to the ear."""
    files = {"user": user_file(measurement), **FILES}
    rows = []
    for ring, zero in zeros_of(measurement, turn).items():
        samples = _read(recording(folder, files[ring]))
        if samples is not None:
            rows.append(Row(ring, samples, zero))
    return rows


def _read(path: Path) -> FloatArray | None:
    if not path.is_file():
        return None
    try:
        with open_wav(path).source() as source:
            samples, rate_hz = soundfile.read(source, dtype="float32", always_2d=True)
    except (RiffError, soundfile.LibsndfileError):
        return None
    mono = samples.mean(axis=1, dtype=np.float32)
    return mono if rate_hz == RATE_HZ else resample_poly(mono, RATE_HZ, rate_hz).astype(np.float32)
