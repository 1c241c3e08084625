"""The level that moves: from packet to packet, in waves, by a pump, a gate, a ramp; and an offset under it."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from benchmarks.changes.kind import NO_REFERENCE, PACKET, PER_MS, RATE_HZ, TOO_LITTLE, Kind, Material, Sound
from benchmarks.changes.pieces import as_loud, loud_start, packets, rms, samples

SMOOTH = "a smooth change of level loses no word; it may be named, but never as a click or a burst"


def gain_by_packet(reply: Sound, spread_db: float, rng: np.random.Generator, material: Material) -> Sound:
    rows = packets(reply, PACKET)
    gains = 10 ** (rng.uniform(-spread_db, 0, (len(rows), 1)) / 20)
    return (rows * gains).astype(np.float32).reshape(-1)[: len(reply)]


def ramp(reply: Sound, fall_db: float, rng: np.random.Generator, material: Material) -> Sound:
    return (reply * 10 ** (-fall_db * np.linspace(0, 1, len(reply)) / 20)).astype(np.float32)


def ducked(reply: Sound, depth_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """Three times 180 ms quieter, in and out within 15 ms."""
    gain_db = np.zeros(len(reply))
    for first in (0.1, 0.4, 0.7):
        at = loud_start(reply, samples(180), rng, first=first, last=first + 0.28)
        gain_db[at : at + samples(180)] = -depth_db
    smooth = np.ones(samples(15)) / samples(15)
    return (reply * 10 ** (np.convolve(gain_db, smooth, mode="same") / 20)).astype(np.float32)


def pumping(reply: Sound, range_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """A gain control that chases the level within so many dB, with 80 ms of attack."""
    coefficient = np.exp(-1 / (0.08 * RATE_HZ))
    power = lfilter([1 - coefficient], [1, -coefficient], np.square(reply, dtype=np.float64)) + 1e-9
    gain_db = np.clip(20 * np.log10(rms(reply)) - 10 * np.log10(power), -range_db, range_db)
    return as_loud(reply * 10 ** (gain_db / 20), reply)


def tremolo(reply: Sound, depth: float, rng: np.random.Generator, material: Material) -> Sound:
    wave = 1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * 6 * np.arange(len(reply)) / RATE_HZ))
    return (reply * wave).astype(np.float32)


def gated(reply: Sound, below_db: float, rng: np.random.Generator, material: Material) -> Sound:
    """What is so far below the reply's level is silence: ends of words, quiet consonants."""
    rows = packets(reply, 5 * PER_MS)
    level = np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1))
    is_open = np.repeat((level > rms(reply) * 10 ** (below_db / 20)).astype(np.float64), rows.shape[1])
    smooth = np.convolve(is_open, np.ones(samples(4)) / samples(4), mode="same")
    return (reply * smooth[: len(reply)]).astype(np.float32)


def offset(reply: Sound, level: float, rng: np.random.Generator, material: Material) -> Sound:
    """A direct current under the reply, from its first sample to its last, faded over 30 ms."""
    edge = np.minimum(1, np.minimum(np.arange(len(reply)), np.arange(len(reply))[::-1]) / samples(30))
    return (reply + level * edge).astype(np.float32)


def swallowed(reply: Sound, ms: float, rng: np.random.Generator, material: Material) -> Sound:
    """A word is faded down to nothing and up again, without an edge."""
    size = min(samples(ms), len(reply) // 2)
    at = loud_start(reply, size, rng)
    out = reply.copy()
    out[at : at + size] *= (1 - np.sin(np.pi * np.arange(size) / size) ** 0.5).astype(np.float32)
    return out


KINDS = (
    Kind("gain_by_packet", "each packet has a level of its own", "dB", 6, 20, gain_by_packet, heard="severe",
         reason=TOO_LITTLE, alike=("level_drop",)),
    Kind("ramp", "quieter and quieter", "dB", 6, 18, ramp, heard="tolerated", reason=SMOOTH, alike=("quiet", "level_drop"),
         never=("clicks", "noise_bursts")),
    Kind("ducked", "three times 180 ms quieter", "dB", 8, 25, ducked, reason=NO_REFERENCE, alike=("level_drop", "hole"),
         never=("clicks", "noise_bursts")),
    Kind("pumping", "a gain control that chases the level", "dB", 6, 18, pumping, heard="tolerated", reason=SMOOTH,
         alike=("soft_clip", "level_drop"), never=("clicks", "noise_bursts")),
    Kind("tremolo", "the level sways 6 times a second", "depth", 0.3, 0.95, tremolo, heard="tolerated", reason=SMOOTH,
         alike=("level_drop",), never=("clicks", "noise_bursts")),
    Kind("gated", "what is so far below the reply's level is silence", "dB", -26, -8, gated, heard="severe",
         reason=TOO_LITTLE, alike=("hole", "periodic_holes", "lost_tail")),
    Kind("direct_current", "an offset under the reply", "of full scale", 0.02, 0.2, offset, heard="tolerated",
         reason=SMOOTH, never=("clicks", "noise_bursts")),
    Kind("swallowed", "a word fades to nothing and comes back", "ms", 120, 500, swallowed, reason=NO_REFERENCE,
         alike=("level_drop", "hole")),
)  # fmt: skip
