"""How many packets a model of loss loses, as an interval: exact, from the chain of its two states. Pure.

Independent and Gilbert-Elliott loss act together; above EXACT_PACKETS the count is taken as normal with the chain's
own variance.
"""

from __future__ import annotations

import math

import numpy as np

from harness.network.fate import NORMAL, Impairment, burst_share, expected_loss

EXACT_PACKETS = 4_000


def loss_interval(impairment: Impairment, n: int, level: float = 0.99) -> tuple[int, int]:
    """The central interval that holds the count of packets lost, of `n`, with probability `level` at least."""
    if n == 0:
        return 0, 0
    if n > EXACT_PACKETS:
        return _by_normal(impairment, n, level)
    cumulated = np.cumsum(_distribution(impairment, n))
    tail = (1 - level) / 2
    return int(np.searchsorted(cumulated, tail)), min(n, int(np.searchsorted(cumulated, 1 - tail)))


def _distribution(impairment: Impairment, n: int) -> np.ndarray:
    """Probability of each count from 0 to n. The chain begins outside of a burst, as the model does."""
    outside, inside = np.zeros(n + 1), np.zeros(n + 1)
    outside[0] = 1.0
    for _ in range(n):
        moved_out = outside * (1 - impairment.burst_enter) + inside * impairment.burst_leave
        moved_in = outside * impairment.burst_enter + inside * (1 - impairment.burst_leave)
        outside = _counted(moved_out, impairment.loss)
        inside = _counted(moved_in, 1 - (1 - impairment.loss) * (1 - impairment.burst_loss))
    return outside + inside


def _counted(p: np.ndarray, loss: float) -> np.ndarray:
    after = p * (1 - loss)
    after[1:] += p[:-1] * loss
    return after


def _by_normal(impairment: Impairment, n: int, level: float) -> tuple[int, int]:
    mean = expected_loss(impairment)
    share = burst_share(impairment)
    memory = 1 - impairment.burst_enter - impairment.burst_leave
    between_states = impairment.burst_loss * (1 - impairment.loss)  # how much more is lost inside
    variance = mean * (1 - mean)
    if 0 < abs(memory) < 1:
        variance += 2 * between_states**2 * share * (1 - share) * memory / (1 - memory)
    half = NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(n * variance) + 0.5
    return max(0, math.floor(n * mean - half)), min(n, math.ceil(n * mean + half))
