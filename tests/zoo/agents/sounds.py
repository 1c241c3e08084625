"""Sounds that are no voice, 10 s each, to be repeated. Levels are RMS in dBFS; int16 at 48 kHz."""

from __future__ import annotations

import numpy as np
from stranger import RATE_HZ

LENGTH_S = 10


def _at_level(wave: np.ndarray, dbfs: float) -> np.ndarray:
    scaled = wave / np.sqrt(np.mean(wave**2)) * 10 ** (dbfs / 20)
    return np.clip(scaled * 32767, -32768, 32767).astype(np.int16)


def pink_noise(dbfs: float) -> np.ndarray:
    n = LENGTH_S * RATE_HZ
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE_HZ)
    spectrum *= np.where(hz < 40, 0, 1 / np.sqrt(np.maximum(hz, 40)))
    return _at_level(np.fft.irfft(spectrum, n), dbfs)


def music(dbfs: float) -> np.ndarray:
    """Plucked chords, two a second, with a soft end where it repeats."""
    t = np.arange(RATE_HZ // 2) / RATE_HZ
    chords = ((220, 277, 330), (196, 247, 294), (175, 220, 262), (165, 208, 247))
    beats = []
    for beat in range(2 * LENGTH_S):
        notes = sum(np.sin(2 * np.pi * f * t) + 0.4 * np.sin(4 * np.pi * f * t) for f in chords[beat // 4 % 4])
        beats.append(notes * (0.25 + np.exp(-5 * t)) * np.minimum(1, t / 0.004) * np.minimum(1, (0.5 - t) / 0.01))
    return _at_level(np.concatenate(beats), dbfs)


def tone(dbfs: float) -> np.ndarray:
    return _at_level(np.sin(2 * np.pi * 440 * np.arange(LENGTH_S * RATE_HZ) / RATE_HZ), dbfs)
