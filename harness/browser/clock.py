"""How context frames lie on the host's monotonic clock. Pure; milliseconds, frames at 48 kHz.

Two steps: ping-pongs tie performance.now() to the host (the shortest round trip bounds the error, as in NTP); pairs of
(frame, performance.now()) of one instant, read in the page, tie frames to performance.now(). The map is the smooth line
of the output device; a single frame is processed with its device buffer of 10 ms, up to that much after the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.browser.records import RATE_HZ, ClockMap


@dataclass(frozen=True)
class PingPong:
    """One question to the page: asked and answered on the host's clock, and what the page's clock said between."""

    asked_mono_ms: float
    page_perf_ms: float
    answered_mono_ms: float

    @property
    def round_trip_ms(self) -> float:
        return self.answered_mono_ms - self.asked_mono_ms


def mono_minus_perf(pings: Sequence[PingPong]) -> tuple[float, float]:
    """(offset_ms, error_ms) from the ping-pong with the shortest round trip: the answer lies somewhere inside it."""
    best = min(pings, key=lambda ping: ping.round_trip_ms)
    return (best.asked_mono_ms + best.answered_mono_ms) / 2 - best.page_perf_ms, best.round_trip_ms / 2


def perf_of_frame_zero(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(perf_ms of frame 0, error_ms) from pairs (frame, perf_ms): the median, and half the width of the middle 80 %."""
    zeros = np.array([perf_ms - 1e3 * frame / RATE_HZ for frame, perf_ms in pairs])
    low, middle, high = np.percentile(zeros, [10, 50, 90])
    return float(middle), float(high - low) / 2


def map_clock(pings: Sequence[PingPong], pairs: Sequence[tuple[float, float]], previous: ClockMap | None) -> ClockMap:
    """The map of this moment; its slip is how much later frame 0 seems to lie than in `previous`."""
    offset_ms, ping_error_ms = mono_minus_perf(pings)
    zero_perf_ms, pair_error_ms = perf_of_frame_zero(pairs)
    t0_mono_ms = zero_perf_ms + offset_ms
    slip_ms = None if previous is None else t0_mono_ms - previous.t0_mono_ms
    error_ms = ping_error_ms + pair_error_ms
    return ClockMap(t0_mono_ms=t0_mono_ms, error_ms=error_ms, slip_ms=slip_ms, mono_minus_perf_ms=offset_ms)
