"""What the changes share: a loud place in a reply, a sound's level, a piece laid in, and edges without a click.

Sizes are in samples at 48 kHz.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.changes.kind import PER_MS, Sound

FADE = 3 * PER_MS
LOUD_SHARE = 0.7


def rms(sound: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)) + 1e-12)) if len(sound) else 1e-6


def samples(ms: float) -> int:
    return max(1, round(ms * PER_MS))


def loud_start(reply: Sound, size: int, rng: np.random.Generator, *, first: float = 0.1, last: float = 0.9) -> int:
    """Where a piece of `size` samples begins that is mostly speech; by chance among the places that are."""
    size = min(size, len(reply))
    hop = 5 * PER_MS
    level = np.convolve(np.square(reply, dtype=np.float64), np.ones(hop) / hop, mode="same")
    loud = level > np.mean(level) / 10
    counts = np.concatenate([[0], np.cumsum(loud)])
    starts = np.arange(
        round(first * len(reply)), max(round(first * len(reply)) + 1, round(last * len(reply)) - size), hop
    )
    starts = np.clip(starts, 0, len(reply) - size)
    shares = (counts[starts + size] - counts[starts]) / size
    good = starts[shares >= min(LOUD_SHARE, float(shares.max()))]
    return int(rng.choice(good))


def laid(reply: Sound, start: int, piece: npt.NDArray[np.floating]) -> Sound:
    """`piece` in the place of what was there, with its own edges faded over 3 ms so that no click betrays it."""
    out = reply.copy()
    piece = np.asarray(piece[: len(reply) - start], np.float32)
    weight = edges(len(piece))
    old = out[start : start + len(piece)]
    out[start : start + len(piece)] = old * (1 - weight) + piece * weight
    return out


def edges(size: int) -> Sound:
    fade = min(FADE, size // 2)
    weight = np.ones(size, np.float32)
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        weight[:fade], weight[size - fade :] = ramp, ramp[::-1]
    return weight


def in_a_piece(
    reply: Sound, ms: float, rng: np.random.Generator, change: Callable[[Sound], npt.NDArray[np.floating]]
) -> Sound:
    """A loud piece of `ms` changed by `change`, at its old length; all of the reply where it is no longer."""
    size = min(samples(ms), len(reply))
    start = loud_start(reply, size, rng) if size < len(reply) else 0
    return laid(reply, start, fitted(np.asarray(change(reply[start : start + size]), np.float32), size))


def fitted(sound: Sound, size: int) -> Sound:
    """Repeated or cut to `size` samples."""
    if not len(sound):
        return np.zeros(size, np.float32)
    return np.resize(sound, size).astype(np.float32) if len(sound) < size else sound[:size]


def as_loud(sound: npt.NDArray[np.floating], like: Sound) -> Sound:
    return np.asarray(sound * (rms(like) / rms(np.asarray(sound))), np.float32)


def joined(*parts: npt.NDArray[np.floating]) -> Sound:
    """One after the other, each join faded over 3 ms (the overlap is lost)."""
    out = np.asarray(parts[0], np.float32)
    for part in parts[1:]:
        part = np.asarray(part, np.float32)
        fade = min(FADE, len(out), len(part))
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        middle = out[len(out) - fade :] * (1 - ramp) + part[:fade] * ramp
        out = np.concatenate([out[: len(out) - fade], middle, part[fade:]])
    return out


def packets(sound: Sound, size: int) -> Sound:
    """As rows of `size` samples; the last row is filled up with silence."""
    return np.pad(sound, (0, -len(sound) % size)).reshape(-1, size)
