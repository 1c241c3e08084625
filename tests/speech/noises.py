"""Noise to lay under words: pink, white, and a murmur of other voices; words in a recording as somebody makes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from harness.speech.espeak_worker import EspeakWorker
from harness.speech.voiced import voiced_span

RATE_HZ = 48_000
LEAD_MS, TAIL_MS = 1_000, 3_000
MURMUR = ("en-us+m1", "en-gb", "en-us+f2", "en-us+f4", "de", "en-us+m3", "en-gb+f1")

Samples = npt.NDArray[np.float64]


def words(espeak: EspeakWorker, text: str, voice: str) -> Samples:
    """From the first voiced sample to the last, −23 dBFS."""
    sound = resample_poly(espeak.speak(text, voice, 185).astype(np.float64) / 32768, 320, 147)
    span = voiced_span(sound, RATE_HZ)
    assert span is not None
    sound = sound[slice(*span)]
    return np.asarray(sound * (10 ** (-23 / 20) / np.sqrt(np.mean(sound**2))))


def noise(kind: str, n_samples: int, seed: int, espeak: EspeakWorker) -> Samples:
    """RMS 1."""
    rng = np.random.default_rng(seed)
    if kind == "voices":
        sound = np.zeros(n_samples)
        for at, voice in enumerate(MURMUR):
            talk = np.concatenate(
                [words(espeak, f"We were {n} people there, and it was late.", voice) for n in range(3)]
            )
            sound += np.resize(np.roll(talk, -9_000 * at), n_samples)
    else:
        sound = rng.standard_normal(n_samples)
        if kind == "pink":
            frequency = np.maximum(np.fft.rfftfreq(n_samples, 1 / RATE_HZ), 20.0)
            sound = np.fft.irfft(np.fft.rfft(sound) / np.sqrt(frequency), n_samples)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)))


def in_a_room(spoken: Samples, kind: str, below_peak_db: float, espeak: EspeakWorker, seed: int = 1) -> Samples:
    """A second of noise, the words in it, three seconds of noise."""
    sound = np.concatenate([np.zeros(48 * LEAD_MS), spoken, np.zeros(48 * TAIL_MS)])
    peak = float(np.max(np.abs(spoken)))
    return sound + noise(kind, len(sound), seed, espeak) * peak * 10 ** (-below_peak_db / 20)
