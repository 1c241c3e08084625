"""Decides the fate of each packet of one direction: lost (and why), how long it waits, whether it comes twice. No I/O.

Times are ms of any one monotonic clock, sizes bytes of the UDP payload. Each random decision has a generator of its
own, drawn from exactly once a packet, whatever the impairment: the same seed gives the same fate to the same packet
number, also when another part of the impairment is changed. Standard library alone, for the relay's process starts
with it. Models: netem's uniform jitter; Gilbert-Elliott loss; a drop-tail queue (RFC 8867).
"""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from statistics import NormalDist, fmean
from typing import Any, Literal

Distribution = Literal["uniform", "normal", "pareto"]
Cause = Literal["", "outage", "loss", "burst", "queue"]  # "": it is delivered

WIRE_OVERHEAD_BYTES = 28  # headers of IPv4 and UDP, which a bottleneck carries as well
NORMAL = NormalDist()
NORMAL_CUT_SD = 3.0
PARETO_SHAPE = 3.0  # as netem's table
PARETO_SD = math.sqrt(0.75)  # of a Pareto distribution of shape 3 and scale 1
PARETO_CUT = 1.5 + 4 * PARETO_SD  # netem's table ends at 4 SD above the mean
PARETO_MEAN = 1.5 * (1 - PARETO_CUT**-2) / (1 - PARETO_CUT**-3)  # of what is left below the cut
PARETO_LOWEST = (1 - PARETO_MEAN) / PARETO_SD  # in units of the jitter, below the mean
GRID = 2_000


@dataclass(frozen=True)
class Impairment:
    """What one direction does to packets. Shares are 0 to 1."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0  # uniform: ± this much; normal, pareto: standard deviation
    distribution: Distribution = "uniform"
    correlation: float = 0.0  # of one packet's jitter with that of the packet before it
    keep_order: bool = False  # a packet that would overtake waits for the one ahead
    loss: float = 0.0  # independent
    burst_enter: float = 0.0  # Gilbert-Elliott: chance to enter a burst, to leave it, and to be lost inside
    burst_leave: float = 1.0
    burst_loss: float = 1.0
    duplicate: float = 0.0
    reorder: float = 0.0  # share of packets that skip the delay, and so overtake
    bandwidth_kbps: float | None = None
    queue_ms: float = 300.0  # what the bottleneck holds at most; a packet that finds it full is dropped

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def bottleneck(self) -> Impairment:
        """Its bandwidth and queue alone."""
        return Impairment(bandwidth_kbps=self.bandwidth_kbps, queue_ms=self.queue_ms)


@dataclass(frozen=True)
class Fate:
    """The fate of packet `n` (from 0). `due_ms`: when it is to leave, `queued_ms` included; None if it is lost."""

    n: int
    cause: Cause
    due_ms: float | None
    queued_ms: float
    copies: int


def jitter_offset_ms(impairment: Impairment, u: float) -> float:
    """Quantile `u` of the jitter, relative to the delay. The mean of each distribution is 0."""
    jitter_ms = impairment.jitter_ms
    if jitter_ms == 0:
        return 0.0
    if impairment.distribution == "uniform":
        return jitter_ms * (2 * u - 1)
    if impairment.distribution == "normal":
        cut = min(NORMAL_CUT_SD, impairment.delay_ms / jitter_ms)  # on both sides, so that the mean stays
        low = NORMAL.cdf(-cut)
        return jitter_ms * NORMAL.inv_cdf(low + u * (1 - 2 * low)) if low < 0.5 else 0.0
    below_cut = 1 - PARETO_CUT**-PARETO_SHAPE
    x = (1 - u * below_cut) ** (-1 / PARETO_SHAPE)
    return jitter_ms * (x - PARETO_MEAN) / PARETO_SD


def lowest_offset_ms(impairment: Impairment) -> float:
    """The lowest jitter, negative: the delay must exceed it; a normal distribution is cut to fit, at 1 SD or more."""
    return jitter_offset_ms(impairment, 0.0) if impairment.distribution == "pareto" else -impairment.jitter_ms


def delay_moments_ms(impairment: Impairment) -> tuple[float, float]:
    """(mean, standard deviation) of what delay and jitter do to a packet that does not overtake, without queueing."""
    grid = [jitter_offset_ms(impairment, (k + 0.5) / GRID) for k in range(GRID)]
    mean = fmean(grid)
    return impairment.delay_ms + mean, math.sqrt(fmean((x - mean) ** 2 for x in grid))


def expected_loss(impairment: Impairment) -> float:
    """The share of packets lost in the long run, independently and in bursts."""
    in_burst = burst_share(impairment)
    return 1 - (1 - impairment.loss) * (1 - in_burst * impairment.burst_loss)


def burst_share(impairment: Impairment) -> float:
    """The share of packets that meet a burst, in the long run."""
    both = impairment.burst_enter + impairment.burst_leave
    return impairment.burst_enter / both if both > 0 else 0.0


class _Jitter:
    """Correlated quantiles with the exact marginal distribution: a first-order chain of normal values, mapped."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._z = 0.0
        self._begun = False

    def draw_ms(self, impairment: Impairment) -> float:
        fresh = NORMAL.inv_cdf(min(max(self._rng.random(), 1e-12), 1 - 1e-12))
        rho = impairment.correlation if self._begun else 0.0
        self._z = rho * self._z + math.sqrt(1 - rho * rho) * fresh
        self._begun = True
        return jitter_offset_ms(impairment, NORMAL.cdf(self._z))


class _Bursts:
    """Gilbert-Elliott: a chain of two states, the good one without loss."""

    def __init__(self, state: random.Random, loss: random.Random) -> None:
        self._state, self._loss = state, loss
        self._inside = False

    def lost(self, impairment: Impairment) -> bool:
        moved = self._state.random() < (impairment.burst_leave if self._inside else impairment.burst_enter)
        self._inside = self._inside != moved
        return (self._loss.random() < impairment.burst_loss) and self._inside


class _Bottleneck:
    """A drop-tail queue in front of a line of a given rate, as the time at which the line is free again."""

    def __init__(self) -> None:
        self._free_ms = -math.inf

    def wait_ms(self, impairment: Impairment, size_bytes: int, now_ms: float, *, bounded: bool = True) -> float:
        """Time of queueing and sending; infinite if the queue is full."""
        if impairment.bandwidth_kbps is None:
            return 0.0
        waits_ms = max(0.0, self._free_ms - now_ms)
        if bounded and waits_ms > impairment.queue_ms:
            return math.inf
        sending_ms = (size_bytes + WIRE_OVERHEAD_BYTES) * 8 / impairment.bandwidth_kbps
        self._free_ms = now_ms + waits_ms + sending_ms
        return waits_ms + sending_ms


class FateModel:
    """One direction of one link. Packets must be given in the order in which they came.

    `reliable`: they are parts of a TCP stream, which loses nothing and keeps its order; an outage or a full queue only
    makes them wait.
    """

    def __init__(self, impairment: Impairment, seed: int, direction: str, *, reliable: bool = False) -> None:
        def generator(thing: str) -> random.Random:
            return random.Random(f"{seed}/{direction}/{thing}")

        self.impairment = impairment
        self.reliable = reliable
        self._next = 0
        self._loss, self._duplicate, self._reorder = generator("loss"), generator("duplicate"), generator("reorder")
        self._jitter = _Jitter(generator("jitter"))
        self._bursts = _Bursts(generator("burst state"), generator("burst loss"))
        self._line = _Bottleneck()
        self._outages: list[tuple[float, float]] = []
        self._last_due_ms = -math.inf

    def change(self, impairment: Impairment) -> None:
        """Apply from the next packet on. The generators go on: later packets keep their draws."""
        self.impairment = impairment

    def cut(self, from_ms: float, until_ms: float) -> None:
        """An outage: whatever comes in [from, until) is lost."""
        self._outages.append((from_ms, until_ms))

    def is_cut(self, now_ms: float) -> bool:
        return any(start <= now_ms < end for start, end in self._outages)

    def decide(self, size_bytes: int, now_ms: float) -> Fate:
        """The fate of the next packet, which comes at `now_ms`."""
        n, self._next = self._next, self._next + 1
        what = self.impairment
        # every generator moves on with every packet
        offset_ms = self._jitter.draw_ms(what)
        by_chance = self._loss.random() < what.loss
        in_burst = self._bursts.lost(what)
        twice = self._duplicate.random() < what.duplicate
        overtakes = self._reorder.random() < what.reorder
        delay_ms = max(0.0, what.delay_ms + offset_ms)
        if self.reliable:
            return self._in_stream(n, size_bytes, now_ms, delay_ms)
        cause: Cause = "outage" if self.is_cut(now_ms) else "loss" if by_chance else "burst" if in_burst else ""
        if cause:
            return Fate(n, cause, None, 0.0, 0)
        queued_ms = self._line.wait_ms(what, size_bytes, now_ms)
        if math.isinf(queued_ms):
            return Fate(n, "queue", None, 0.0, 0)
        due_ms = now_ms + queued_ms + (0.0 if overtakes else delay_ms)
        if what.keep_order and not overtakes:
            due_ms = max(due_ms, self._last_due_ms)
        self._last_due_ms = max(self._last_due_ms, due_ms)
        return Fate(n, "", due_ms, queued_ms, 2 if twice else 1)

    def _in_stream(self, n: int, size_bytes: int, now_ms: float, delay_ms: float) -> Fate:
        begins_ms = max([now_ms, *(end for start, end in self._outages if start <= now_ms < end)])
        queued_ms = begins_ms - now_ms + self._line.wait_ms(self.impairment, size_bytes, begins_ms, bounded=False)
        self._last_due_ms = max(self._last_due_ms, now_ms + queued_ms + delay_ms)
        return Fate(n, "", self._last_due_ms, queued_ms, 1)
