"""How busy all cores were between two readings of one meter, and how long the hypervisor withheld them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil


def busy_percent(before: Any, after: Any) -> float | None:
    """Share of all cores' time between two `psutil.cpu_times()` in which they worked; None if no time has passed."""

    def total_and_idle(times: Any) -> tuple[float, float]:
        # Linux counts a guest's time in user and nice already
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total, times.idle + getattr(times, "iowait", 0.0)

    (total0, idle0), (total1, idle1) = total_and_idle(before), total_and_idle(after)
    if total1 <= total0:
        return None
    return round(100 * min(1.0, max(0.0, 1 - (idle1 - idle0) / (total1 - total0))), 1)


def withheld_ms(before: Any, after: Any) -> float | None:
    """How long, all cores together, a virtual machine's cores were ready to run and did not (`steal` in proc(5), in steps of
    10 ms); None where the system does not tell.
    """
    if not hasattr(after, "steal"):
        return None
    return round(1e3 * max(0.0, after.steal - before.steal), 1)


@dataclass(frozen=True)
class CpuLoad:
    """Over the same interval: `busy_percent` and `withheld_ms`, each None where it is not known."""

    percent: float | None = None
    withheld_ms: float | None = None


class CpuMeter:
    """Load since its own last reading. psutil.cpu_percent() keeps one last reading for the whole process."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def read(self) -> CpuLoad:
        before, self._before = self._before, psutil.cpu_times()
        return CpuLoad(busy_percent(before, self._before), withheld_ms(before, self._before))
