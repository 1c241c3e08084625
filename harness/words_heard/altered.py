"""A sound altered so little that a person would understand the same, to hear whether a recogniser does. Pure.

A recogniser decides between words that are nearly as likely; of a robotic voice, often. What it understands of the same words by
chance changes with a little silence ahead, a coarser codec or a slower pace; a word that is not there stays away.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import soundfile
from scipy.signal import resample_poly

from harness.model.audio import Audio

AHEAD_MS = 205.0  # no multiple of the recogniser's step of 10 ms
SLOWER = (103, 100)
OPUS_KBPS = 16.0


def later(sound: Audio) -> Audio:
    quiet = np.zeros(round(AHEAD_MS * sound.rate_hz / 1e3), np.float32)
    return Audio(np.concatenate([quiet, sound.samples]), sound.rate_hz)


def slower(sound: Audio) -> Audio:
    return Audio(resample_poly(sound.samples, *SLOWER).astype(np.float32), sound.rate_hz)


def through_opus(sound: Audio, kbps: float = OPUS_KBPS) -> Audio:
    """By libsndfile, whose level of compression is a bit rate from 256 down to 6 kbit/s. Raises RuntimeError without Opus."""
    file, level = io.BytesIO(), 1 - (kbps - 6) / 250
    soundfile.write(file, sound.samples, sound.rate_hz, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    samples, rate_hz = soundfile.read(file, dtype="float32")
    return Audio(samples, rate_hz)


ALTERED: tuple[Callable[[Audio], Audio], ...] = (later, slower, through_opus)
