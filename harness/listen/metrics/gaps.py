"""The holes of many replies together: how long they are, and whether they come in packets.

An engine that falls behind leaves holes that are whole multiples of what it delivers at once (H-202: 160 ms were two
packets of 80 ms). Durations are ms as read, good to `continuity.READING_ERROR_MS`. The test for a period is Rayleigh's,
against the hypothesis that the durations modulo the period lie anywhere (Mardia and Jupp, Directional Statistics, 2000,
6.3), corrected for the periods tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.listen.read.records import no_number, number
from harness.model.measurement import DefectKind, Metric, Turn

HOLES: tuple[DefectKind, ...] = ("gap", "dropout")
EDGES_MS = (0.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)  # the last is open
PERIODS_MS = tuple(float(period) for period in range(30, 161, 5))  # below, the reading is too coarse
LEAST_HOLES = 5
SIGNIFICANCE = 0.01
OFF_SHARE = 0.15  # how far from whole multiples the mean may lie, of a period
LEAST_MULTIPLES_TOLD_APART = 2  # holes of one length are multiples of anything


@dataclass(frozen=True)
class Bin:
    """Holes of [from_ms, to_ms); to_ms None: no limit."""

    from_ms: float
    to_ms: float | None
    count: int


@dataclass(frozen=True)
class Packets:
    """`period_ms` of which the holes are multiples; `p_value` after correction for the periods tried."""

    period_ms: float
    p_value: float
    n: int


def histogram(durations_ms: Sequence[float]) -> list[Bin]:
    counts, _ = np.histogram(durations_ms, [*EDGES_MS, np.inf])
    ends = [*EDGES_MS[1:], None]
    return [Bin(start, end, int(count)) for start, end, count in zip(EDGES_MS, ends, counts, strict=True)]


def find_packets(durations_ms: Sequence[float]) -> Packets | None:
    """The period that explains the durations best; None if none does, or if there are too few holes to tell."""
    durations = np.asarray(durations_ms, np.float64)
    n = len(durations)
    if n < LEAST_HOLES:
        return None
    found = []
    for period in PERIODS_MS:
        multiples = np.rint(durations / period)
        if multiples.min() < 1 or len(np.unique(multiples)) < LEAST_MULTIPLES_TOLD_APART:
            continue
        mean = np.mean(np.exp(2j * np.pi * durations / period))
        p_value = min(1.0, float(np.exp(-n * abs(mean) ** 2)) * len(PERIODS_MS))
        off = abs(float(np.angle(mean))) / (2 * np.pi)
        if p_value <= SIGNIFICANCE and off <= OFF_SHARE:
            fitted = float(np.sum(durations * multiples) / np.sum(multiples**2))
            found.append(Packets(fitted, p_value, n))
    return min(found, key=lambda packets: packets.p_value, default=None)


def holes_ms(turns: Sequence[Turn], ring: str) -> list[float]:
    """Durations of all holes that were heard in `ring`."""
    return [d.duration_ms for turn in turns for d in turn.defects if d.ring == ring and d.kind in HOLES]


def hole_metrics(turns: Sequence[Turn], ring: str) -> dict[str, Metric]:
    """A call's metrics: how many holes, and the packet length they are multiples of."""
    durations = holes_ms(turns, ring)
    packets = find_packets(durations)
    few = f"{len(durations)} holes; {LEAST_HOLES} at least tell whether they come in packets"
    reason = few if len(durations) < LEAST_HOLES else "the holes are no multiples of one length"
    return {
        "hole_count": number(len(durations), "count"),
        "hole_packet_ms": no_number("ms", reason)
        if packets is None
        else number(packets.period_ms, "ms", reason=f"{packets.n} holes are multiples of it (p {packets.p_value:.1g})"),
    }
