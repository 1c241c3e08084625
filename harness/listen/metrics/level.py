"""How loud a reply is, and whether it is clipped. Levels are RMS at full scale ±1 over frames that can be heard.

H-61, H-66, H-75: a reply is audible from RMS 0.01 on; a sample of 0.999 or more is a full-scale sample. Active speech
level after ITU-T P.56 (method B), loudness after ITU-R BS.1770 (pyloudnorm).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import lfilter

from harness.listen.place.onset import runs
from harness.model.audio import Audio

FRAME_MS = 20.0
AUDIBLE_FRAME_DBFS = -50.0
AUDIBLE_RMS = 0.01
FULL_SCALE = 0.999
P56_TIME_CONSTANT_S = 0.03
P56_HANGOVER_S = 0.2
P56_MARGIN_DB = 15.9
P56_THRESHOLDS = 15
LOUDNESS_MIN_MS = 400.0
FLAT_SHARE = 0.98
FLAT_STEP = 1e-3
FLAT_RUN = 3


def active_rms(audio: Audio) -> float:
    """RMS over the 20 ms frames above −50 dBFS; over everything if there is no such frame."""
    size = round(audio.rate_hz * FRAME_MS / 1e3)
    count = len(audio) // size
    if count == 0:
        return float(np.sqrt(np.mean(audio.samples**2, dtype=np.float64))) if len(audio) else 0.0
    power = np.mean(audio.samples[: count * size].reshape(count, size).astype(np.float64) ** 2, axis=1)
    active = power[power > 10 ** (AUDIBLE_FRAME_DBFS / 10)]
    return float(np.sqrt((active if len(active) else power).mean()))


def clipping_ratio(audio: Audio) -> float | None:
    """Share of full-scale samples; None without samples."""
    if len(audio) == 0:
        return None
    return float(np.count_nonzero(np.abs(audio.samples) >= FULL_SCALE) / len(audio))


def active_level_dbfs(audio: Audio) -> float | None:
    """Active speech level after ITU-T P.56, method B; None where there is no speech.

    The envelope (two poles of 30 ms) is compared with thresholds 6 dB apart, each with a hangover of 200 ms; the level is
    where activity at a threshold gives a level 15.9 dB above it. The envelope is read once a ms.
    """
    if len(audio) < audio.rate_hz // 10:
        return None
    pole = float(np.exp(-1 / (P56_TIME_CONSTANT_S * audio.rate_hz)))
    envelope = np.abs(audio.samples).astype(np.float64)
    for _ in range(2):
        envelope = lfilter([1 - pole], [1, -pole], envelope)
    per_ms = audio.rate_hz // 1_000
    envelope = envelope[::per_ms]
    energy = float(np.sum(np.square(audio.samples, dtype=np.float64)))
    hangover = round(P56_HANGOVER_S * 1e3)
    before: tuple[float, float] | None = None
    for j in range(P56_THRESHOLDS, 0, -1):
        threshold = 2.0**-j
        above = envelope >= threshold
        active = maximum_filter1d(above.astype(np.uint8), 2 * hangover + 1, origin=hangover)  # looks back only
        count = int(np.count_nonzero(active)) * per_ms
        if count == 0:
            break
        level_db, threshold_db = 10 * np.log10(energy / count + 1e-12), 20 * np.log10(threshold)
        margin = level_db - threshold_db
        if margin <= P56_MARGIN_DB:
            if before is None:
                return None
            share = (before[0] - P56_MARGIN_DB) / max(before[0] - margin, 1e-9)
            return float(before[1] + share * (level_db - before[1]))
        before = (margin, level_db)
    return None if before is None else float(before[1])


def loudness_lufs(audio: Audio) -> float | None:
    """Integrated loudness after ITU-R BS.1770; None below 400 ms, or where all is below its gate."""
    if audio.duration_ms <= LOUDNESS_MIN_MS:
        return None
    import pyloudnorm

    value = float(pyloudnorm.Meter(audio.rate_hz).integrated_loudness(audio.samples.astype(np.float64)))
    return value if np.isfinite(value) else None


def flat_top_ratio(audio: Audio) -> float | None:
    """Share of samples in flat tops: runs of 3 or more at 98 % of the own peak or above; also clipped, then attenuated.

    None for silence. A rounded peak of a low voice is not flat: neighbours must be within 0.1 % of the peak.
    """
    peak = float(np.max(np.abs(audio.samples), initial=0.0))
    if peak < AUDIBLE_RMS:
        return None
    high = np.abs(audio.samples) >= FLAT_SHARE * peak
    flat = np.abs(np.diff(audio.samples, prepend=audio.samples[:1])) <= FLAT_STEP * peak
    count = 0
    for first, last in runs(high):
        for a, b in runs(flat[first + 1 : last + 1]):
            if b - a + 2 >= FLAT_RUN:
                count += b - a + 2
    return count / len(audio)
