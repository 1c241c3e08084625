"""The same words at another speed, evenly or not: rates that no table lists, tempo without pitch, wow, vibrato."""

from __future__ import annotations

import numpy as np

from benchmarks.changes.kind import NO_REFERENCE, PACKET, PER_MS, RATE_HZ, Kind, Material, Sound
from benchmarks.changes.pieces import joined, loud_start, packets, samples


def _at_rate(sound: Sound, speed: float) -> Sound:
    places = np.arange(0, len(sound) - 1, speed)
    return np.interp(places, np.arange(len(sound)), sound).astype(np.float32)


def at_speed(reply: Sound, speed: float, rng: np.random.Generator, material: Material) -> Sound:
    """Played so many times as fast, higher by as much."""
    return _at_rate(reply, speed)


def _stretched(sound: Sound, tempo: float) -> Sound:
    """So many times as fast at the same pitch: overlapping pieces, each put where it fits the last best (WSOLA)."""
    size, hop, reach = 40 * PER_MS, 20 * PER_MS, 8 * PER_MS
    window = np.hanning(size + 1)[:-1]
    padded = np.pad(sound.astype(np.float64), (size, 2 * size))
    count = max(1, int((len(sound) / tempo + size) // hop))
    out = np.zeros(count * hop + 2 * size)
    last = 0
    for n in range(count):
        ideal = round(n * hop * tempo)
        at = ideal
        if n:
            wanted = padded[last + hop : last + hop + size]
            low = max(0, ideal - reach)
            around = padded[low : ideal + reach + size]
            if len(wanted) == size and len(around) > size:
                at = low + int(np.argmax(np.correlate(around[::4], wanted[::4]))) * 4
        piece = padded[at : at + size]
        if len(piece) < size:
            break
        out[n * hop : n * hop + size] += piece * window
        last = at
    begin = round(size / tempo)
    return out[begin : begin + round(len(sound) / tempo)].astype(np.float32)


def tempo(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    return _stretched(reply, 1 + percent / 100)


def hurried(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    """400 ms in the middle at so much more speed, at the same pitch."""
    size = samples(400)
    at = loud_start(reply, size, rng)
    return joined(reply[:at], _stretched(reply[at : at + size], 1 + percent / 100), reply[at + size :])


def _warped(reply: Sound, depth: float, rate_hz: float) -> Sound:
    n = np.arange(len(reply))
    moved = depth * RATE_HZ / (2 * np.pi * rate_hz) * np.sin(2 * np.pi * rate_hz * n / RATE_HZ)
    return np.interp(n + moved, n, reply).astype(np.float32)


def vibrato(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    return _warped(reply, percent / 100, 5.5)


def wow(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    """The speed sways once in 1.4 s, as of a worn tape."""
    return _warped(reply, percent / 100, 0.7)


def packets_stretched(reply: Sound, percent: float, rng: np.random.Generator, material: Material) -> Sound:
    """Each packet is resampled to a length of its own, by up to so much."""
    return np.concatenate([_at_rate(row, 1 + rng.uniform(-1, 1) * percent / 100) for row in packets(reply, PACKET)])


def pauses_longer(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """Silence is put between two words that belong together."""
    at = loud_start(reply, samples(60), rng)
    near = reply[at : at + samples(200)]
    level = np.convolve(np.square(near, dtype=np.float64), np.ones(240), mode="same")
    at += int(np.argmin(level))
    return np.concatenate([reply[:at], np.zeros(samples(ms), np.float32), reply[at:]])


KINDS = (
    Kind("a_third_too_fast", "a rate that is no ratio of known ones", "× speed", 1.378, 1.84, at_speed, published="severe",
         reason=NO_REFERENCE, length="shorter", alike=("speed", "wrong_rate")),
    Kind("far_too_slow", "a rate that is no ratio of known ones", "× speed", 0.844, 0.544, at_speed, published="severe",
         reason=NO_REFERENCE, length="longer", alike=("speed", "wrong_rate")),
    Kind("tempo_up", "faster at the same pitch", "%", 6, 25, tempo, length="shorter", reason=NO_REFERENCE,
         alike=("speed",)),
    Kind("tempo_down", "slower at the same pitch", "%", -6, -20, tempo, length="longer", reason=NO_REFERENCE,
         alike=("speed",)),
    Kind("hurried_piece", "400 ms hurried at the same pitch", "%", 40, 120, hurried, length="shorter",
         reason=NO_REFERENCE, alike=("speed", "hole")),
    Kind("vibrato", "the pitch sways 5.5 times a second", "%", 0.6, 3, vibrato, heard="tolerated", reason=NO_REFERENCE,
         alike=("pitch", "speed"), never=("clicks", "noise_bursts")),
    Kind("wow", "the speed sways slowly", "%", 1.5, 6, wow, reason=NO_REFERENCE, alike=("speed", "pitch")),
    Kind("packets_stretched", "each packet has a speed of its own", "%", 4, 15, packets_stretched, length="other",
         reason=NO_REFERENCE, alike=("speed", "pitch")),
    Kind("silence_inserted", "silence is put between words", "ms", 60, 400, pauses_longer, length="longer",
         reason="a voice pauses where it likes", alike=("hole",)),
)  # fmt: skip
