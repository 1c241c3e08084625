"""What the two channels of a recording are to one another, so that they become one only where that is right. Pure.

Levels of 20 ms frames tell two people who speak in turn (each loud where the other is not) from one sound on both channels;
the correlation tells a sound from its opposite, which would cancel it. Blocks are float, shape (n, 2), full scale ±1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FRAME_MS = 20.0
SILENT_DBFS = -65.0
ACTIVE_DB = 30.0  # below the loudest frame of either channel
DOMINATES_DB = 12.0  # a voice on its own channel against its crosstalk on the other
LEAST_SHARE = 0.1  # of the active frames, that each of two people dominates
OPPOSITE = -0.5  # correlation
QUIET_PERCENTILE = 10.0

Block = npt.NDArray[np.floating]


class Channel(StrEnum):
    """Which channel of two: one of them, or the mean of both."""

    LEFT = "left"
    RIGHT = "right"
    AVERAGE = "average"


@dataclass(frozen=True)
class TwoChannels:
    """`use`: None where nothing but whoever recorded it can say; `note`: what was done, and why."""

    use: Channel | None
    note: str
    correlation: float = 0.0  # −1 to 1, of all samples
    loudest_dbfs: tuple[float, float] = (-120.0, -120.0)  # 20 ms frame, left and right
    quiet_dbfs: tuple[float, float] = (
        -120.0,
        -120.0,
    )  # what each channel is between its words: 20 ms frames, 10th percentile


def as_one(samples: Block, channel: Channel) -> Block:
    """Shape (n, channels) → (n,)."""
    if samples.shape[1] == 1:
        return np.asarray(samples[:, 0])
    if channel is Channel.AVERAGE:
        return np.asarray(samples.mean(axis=1, dtype=samples.dtype))
    return np.asarray(samples[:, 0 if channel is Channel.LEFT else 1])


def compare(blocks: Iterable[Block], rate_hz: int) -> TwoChannels:
    """What to make of them; the blocks follow one another."""
    level, correlation = _levels(blocks, rate_hz)
    if len(level) == 0:
        return TwoChannels(Channel.AVERAGE, "2 channels averaged")
    left, right = (float(value) for value in level.max(axis=0))
    quiet_left, quiet_right = (float(value) for value in np.percentile(level, QUIET_PERCENTILE, axis=0))
    use, note = _use(level, correlation)
    return TwoChannels(use, note, correlation, (left, right), (quiet_left, quiet_right))


def _levels(blocks: Iterable[Block], rate_hz: int) -> tuple[npt.NDArray[np.float64], float]:
    """dBFS of each frame, shape (n, 2), and the correlation of all samples."""
    size = max(1, round(FRAME_MS * rate_hz / 1e3))
    levels, products = [], np.zeros(3)
    for block in blocks:
        part = np.asarray(block, np.float64)
        products += np.array([np.sum(part[:, 0] * part[:, 1]), np.sum(part[:, 0] ** 2), np.sum(part[:, 1] ** 2)])
        whole = part[: len(part) // size * size].reshape(-1, size, 2)
        if len(whole):
            levels.append(10 * np.log10(np.mean(whole**2, axis=1) + 1e-12))
    together, energy_left, energy_right = products
    energy = float(np.sqrt(energy_left * energy_right))
    level = np.concatenate(levels) if levels else np.zeros((0, 2))
    return level, float(together) / energy if energy > 0 else 0.0


def _use(level: npt.NDArray[np.float64], correlation: float) -> tuple[Channel | None, str]:
    left, right = (float(value) for value in level.max(axis=0))
    if min(left, right) < SILENT_DBFS <= max(left, right):
        alone, silent = (Channel.LEFT, Channel.RIGHT) if left > right else (Channel.RIGHT, Channel.LEFT)
        return alone, f"of 2 channels the {alone} one was taken, the {silent} one is silent"
    active = level[(level > level.max() - ACTIVE_DB).any(axis=1)]
    louder = active[:, 0] - active[:, 1]
    shares = (float(np.mean(louder > DOMINATES_DB)), float(np.mean(louder < -DOMINATES_DB)))
    if min(shares) >= LEAST_SHARE:
        return None, "2 people speak in turn, each on a channel"
    if correlation < OPPOSITE:
        return (
            Channel.LEFT,
            "of 2 channels the left one was taken: they are of opposite phase, and their mean would cancel",
        )
    return Channel.AVERAGE, "2 channels averaged"
