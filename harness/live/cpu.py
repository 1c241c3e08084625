"""How busy all cores were between two readings of one meter, and how long the hypervisor withheld them."""

from __future__ import annotations

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


class CpuMeter:
    """Load since its own last reading. psutil.cpu_percent() keeps one last reading for the whole process."""

    def __init__(self) -> None:
        self._before = self._before_withheld = psutil.cpu_times()

    def percent(self) -> float | None:
        now = psutil.cpu_times()
        percent = busy_percent(self._before, now)
        self._before = now
        return percent

    def withheld_ms(self) -> float | None:
        """Since it was last asked for this."""
        now = psutil.cpu_times()
        withheld = withheld_ms(self._before_withheld, now)
        self._before_withheld = now
        return withheld
