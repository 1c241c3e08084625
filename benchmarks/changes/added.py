"""Sound on top of the agent's words: hum and whine under them, breath between them, a second voice, crackle, keys."""

from __future__ import annotations

import numpy as np

from benchmarks.changes.kind import NO_REFERENCE, PER_MS, RATE_HZ, TOO_LITTLE, Kind, Material, Sound
from benchmarks.changes.pieces import as_loud, edges, fitted, loud_start, rms, samples

STEADY = "a steady sound under a voice loses no word; it may be named, but never as a click or a burst"


def _level(db: float) -> float:
    return float(10 ** (db / 20))


def hum_under_it(reply: Sound, level_dbfs: float, rng: np.random.Generator, material: Material) -> Sound:
    """50 Hz and odd harmonics while the reply lasts, and at no other time."""
    t = np.arange(len(reply)) / RATE_HZ
    wave = np.sum([np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 3, 5, 7)], axis=0)
    return (reply + _level(level_dbfs) * 1.3 * wave * edges(len(reply))).astype(np.float32)


def whine(reply: Sound, level_dbfs: float, rng: np.random.Generator, material: Material) -> Sound:
    t = np.arange(len(reply)) / RATE_HZ
    return (reply + _level(level_dbfs) * 1.4 * np.sin(2 * np.pi * 3_150 * t) * edges(len(reply))).astype(np.float32)


def breathing(reply: Sound, level_dbfs: float, rng: np.random.Generator, material: Material) -> Sound:
    """Two breaths over the reply, 350 ms each."""
    out, size = reply.astype(np.float64), min(samples(350), len(reply) // 2)
    for at in (0, len(reply) // 2):
        noise = np.convolve(rng.standard_normal(size), np.hanning(20), mode="same")
        breath = noise / rms(noise) * np.sin(np.pi * np.arange(size) / size) ** 2
        out[at : at + size] += _level(level_dbfs) * breath
    return out.astype(np.float32)


def second_voice(reply: Sound, under_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """Somebody else speaks at the same time."""
    words = as_loud(fitted(material.user, len(reply)), reply)
    return (reply + _level(under_db) * words * edges(len(reply))).astype(np.float32)


def crackle(reply: Sound, per_s: float, rng: np.random.Generator, material: Material) -> Sound:
    """So many ticks a second, each a single sample of up to a third of full scale."""
    out = reply.copy()
    ticks = rng.integers(0, len(reply), max(1, round(per_s * len(reply) / RATE_HZ)))
    out[ticks] += rng.uniform(0.1, 0.33, len(ticks)).astype(np.float32) * rng.choice([-1, 1], len(ticks))
    return out


def dial_tone(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """The tones of a telephone key over a word."""
    size = samples(ms)
    at = loud_start(reply, size, rng)
    t = np.arange(min(size, len(reply) - at)) / RATE_HZ
    tones = np.sin(2 * np.pi * 770 * t) + np.sin(2 * np.pi * 1_336 * t)
    out = reply.copy()
    out[at : at + len(t)] += as_loud(tones, reply) * edges(len(t))
    return out


def keystrokes(reply: Sound, level_dbfs: float, rng: np.random.Generator, material: Material) -> Sound:
    """Seven strokes a second, 12 ms each."""
    out, size = reply.astype(np.float64), 12 * PER_MS
    for at in range(0, len(reply) - size, RATE_HZ // 7):
        out[at : at + size] += (
            _level(level_dbfs) * 3 * rng.standard_normal(size) * np.exp(-np.arange(size) / (2 * PER_MS))
        )
    return out.astype(np.float32)


def goes_on(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """After the last word a tone goes on."""
    t = np.arange(samples(ms)) / RATE_HZ
    tail = np.sin(2 * np.pi * 440 * t) * rms(reply) * edges(len(t))
    return np.concatenate([reply, tail.astype(np.float32)])


def said_after(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Words of another reply right after the last one, as of a queue that was not flushed."""
    size = samples(ms)
    words = fitted(material.other, max(size, len(material.other)))
    at = loud_start(words, size, rng)
    return np.concatenate([reply, words[at : at + size] * edges(size)])


KINDS = (
    Kind("hum_under_it", "hum while the reply lasts", "dBFS", -50, -30, hum_under_it, heard="tolerated", reason=STEADY,
         alike=("hum",), never=("clicks", "noise_bursts")),
    Kind("whine", "a whine of 3.15 kHz while the reply lasts", "dBFS", -50, -30, whine, heard="severe",
         published="severe", reason=STEADY, never=("clicks",)),
    Kind("breathing", "breaths over the words", "dBFS", -45, -28, breathing, heard="severe", reason=TOO_LITTLE,
         alike=("noise_burst", "noise"), never=("clicks",)),
    Kind("second_voice", "somebody else speaks at the same time", "dB", -20, -3, second_voice, heard="severe",
         reason=TOO_LITTLE, alike=("user_echo", "other_audio")),
    Kind("crackle", "ticks of one sample", "a second", 4, 60, crackle, heard="severe", published="severe",
         reason=TOO_LITTLE, alike=("click",)),
    Kind("dial_tone", "a telephone key over a word", "ms", 100, 500, dial_tone, reason=NO_REFERENCE),
    Kind("keystrokes", "typing over the words", "dBFS", -45, -28, keystrokes, heard="severe", reason=TOO_LITTLE,
         alike=("click", "noise_burst")),
    Kind("goes_on", "a tone after the last word", "ms", 120, 1_500, goes_on, published="severe", reason=TOO_LITTLE,
         length="longer", alike=("other_audio",)),
    Kind("said_after", "words of another reply right after the last one", "ms", 150, 1_000, said_after, length="longer",
         alike=("other_audio",)),
)  # fmt: skip
