"""The host while it measures: load and event-loop lag twice a second, and what machine this is.

The loop's lag is how late a timer of 20 ms fires in the measuring process itself. Each session takes the load between two
readings of its own, so that sessions side by side do not share an interval. `host_id` names the clock that all processes
of this machine share (CLOCK_MONOTONIC since boot).
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from bots.probe_bot import mono_ms
from harness.live.cpu import CpuLoad, CpuMeter

log = logging.getLogger(__name__)

LAG_TIMER_S = 0.02
SAMPLE_EVERY_S = 0.5
MARKED_LAG_MS = 5.0


@cache
def host_id() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"mono:{boot.read_text().strip() if boot.exists() else platform.node()}"


@dataclass
class HostLoad:
    """Lines of host_load.jsonl: {t_mono_ms, cpu_percent, loop_lag_ms, withheld_ms, launching}.

    Lag is the worst since the line before; `cpu_percent` is of the last half second that was over then. `withheld_ms`: since the
    last line that has it, where the system tells. `launching`: how many other sessions were being launched beside this one, where
    that is known.
    """

    lines: list[dict[str, float | None]] = field(default_factory=list)
    launching: Callable[[], int] | None = None

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        meter, load = CpuMeter(), CpuLoad()
        worst_ms, next_line = 0.0, loop.time() + SAMPLE_EVERY_S

        def line(t_ms: float, lag_ms: float, withheld_ms: float | None = None) -> None:
            found = {"t_mono_ms": t_ms, "cpu_percent": load.percent, "loop_lag_ms": round(lag_ms, 2)}
            if withheld_ms is not None:
                found["withheld_ms"] = withheld_ms
            self.lines.append(found if self.launching is None else {**found, "launching": self.launching()})

        while True:
            asked_ms, due = mono_ms(), loop.time() + LAG_TIMER_S
            await asyncio.sleep(LAG_TIMER_S)  # the timer whose lateness is the measurement
            lag_ms = (loop.time() - due) * 1e3
            marked = lag_ms > MARKED_LAG_MS
            if marked:  # a line of its own: it shows which moments the lag spoilt
                line(asked_ms, worst_ms)
                worst_ms = 0.0
            worst_ms = max(worst_ms, lag_ms)
            due_now = loop.time() >= next_line
            if due_now:
                load, next_line = meter.read(), loop.time() + SAMPLE_EVERY_S
            if due_now or marked:
                line(mono_ms(), worst_ms, load.withheld_ms if due_now else None)
                worst_ms = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[HostLoad]:
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(ended, Exception):  # later lines are missing; the call itself is whole
                log.error("the load of the host was not watched to the end", exc_info=ended)


def describe_host() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
    }


@cache
def own_versions() -> dict[str, str]:
    """Versions that do not depend on the attempt: ours, Python's, LiveKit's Python SDK."""
    versions = {"earwitness": importlib.metadata.version("earwitness"), "python": platform.python_version()}
    for name in ("livekit", "livekit-api", "playwright", "numpy", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
