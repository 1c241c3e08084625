"""The spectral fingerprint of a reply in one recording, and its distance to a stored one (H-90).

Over the frames that speak: mean and spread of the log mel bands, centroid, 85 % rolloff, flatness, share of 4 to 8 kHz,
crest. Mel levels are relative to the reply's own mean, so loudness does not count. A reply of the same words by the same
voice has the same fingerprint on any day; a voice trained, resampled or encoded anew has another.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.listen.metrics.mel import MEL_FLOOR_DB, mel_bank
from harness.listen.place.pair import ACTIVE_BELOW_PEAK_DB, FREQUENCIES_HZ, PER_MS, band, in_db, power_spectrum
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.model.measurement import Spectrum

ROLLOFF_SHARE = 0.85
HF_HZ, ALL_HZ = (4_000.0, 8_000.0), (80.0, 12_000.0)
MIN_FRAMES = 20
QUIETEST_DBFS = -60.0
MIN_SAMPLES = 200 * PER_MS


def take_spectrum(samples: npt.NDArray[np.floating]) -> Spectrum | None:
    """The reply's fingerprint (48 kHz); None if too short or too quiet."""
    if len(samples) < MIN_SAMPLES:
        return None
    power = power_spectrum(samples)
    level_db = in_db(power[band(*ALL_HZ)].sum(axis=0))
    loud_db = float(np.percentile(level_db, 95))
    active = level_db > loud_db - ACTIVE_BELOW_PEAK_DB
    if loud_db < QUIETEST_DBFS or np.count_nonzero(active) < MIN_FRAMES:
        return None
    power = power[:, active] * 10 ** (-loud_db / 10)
    mel_db = in_db(mel_bank() @ power)
    mel_db = np.maximum(mel_db, mel_db.max() - MEL_FLOOR_DB)
    inside = band(*ALL_HZ)
    mean = power[inside].mean(axis=1)
    frequencies = FREQUENCIES_HZ[inside]
    cumulative = np.cumsum(mean) / mean.sum()
    peak = float(np.max(np.abs(samples)))
    rms_db = float(in_db(float(np.mean(np.square(samples, dtype=np.float64)))))
    high_db, all_db = (float(in_db(float(power[band(*hz)].sum()))) for hz in (HF_HZ, ALL_HZ))
    return Spectrum(
        mel_mean_db=_rounded(mel_db.mean(axis=1) - mel_db.mean()),
        mel_spread_db=_rounded(mel_db.std(axis=1)),
        centroid_hz=round(float(np.sum(frequencies * mean) / mean.sum()), 1),
        rolloff_hz=round(float(frequencies[np.searchsorted(cumulative, ROLLOFF_SHARE)]), 1),
        flatness_db=round(float(in_db(mean).mean() - in_db(float(mean.mean()))), 2),
        hf_share_db=round(high_db - all_db, 2),
        crest_db=round(20 * float(np.log10(max(peak, 1e-6))) - rms_db, 2),
    )


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(value), 1) for value in values]


def spectra_of(scene: Scene, turn: TurnHeard) -> dict[str, Spectrum]:
    """Recording → fingerprint of this reply there."""
    spans = {ring: (heard.start, heard.end) for ring, heard in turn.heard.items()}
    if turn.announced is not None and turn.announced.pre is not None and "pre_rtc" in scene.rings:
        spans["pre_rtc"] = (turn.announced.pre.start, turn.announced.pre.end)
    found = {}
    for ring, (start, end) in sorted(spans.items()):
        spectrum = take_spectrum(np.asarray(scene.rings[ring].audio.samples[start:end]))
        if spectrum is not None:
            found[ring] = spectrum
    return found


def spectral_distance_db(a: Spectrum, b: Spectrum) -> float:
    """Root mean square over the bands of the differences in level and in spread."""
    parts = [np.subtract(a.mel_mean_db, b.mel_mean_db), np.subtract(a.mel_spread_db, b.mel_spread_db)]
    return float(np.sqrt(np.mean(np.square(np.concatenate(parts)))))


def distances_db(now: Mapping[str, Spectrum], before: Mapping[str, Spectrum]) -> dict[str, float]:
    """Recording → distance, where both have one."""
    return {ring: spectral_distance_db(now[ring], before[ring]) for ring in now if ring in before}
