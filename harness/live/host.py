"""The host while it measures: load and event-loop lag twice a second, and what machine this is.

The loop's lag is measured in the measuring process itself: how late a timer of 20 ms fires. `host_id` names the clock
that all processes of this machine share (CLOCK_MONOTONIC since boot).
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from bots.probe_bot import mono_ms

LAG_TIMER_S = 0.02
SAMPLE_EVERY_S = 0.5
MARKED_LAG_MS = 5.0
GIT_TIMEOUT_S = 5.0


@cache
def host_id() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"mono:{boot.read_text().strip() if boot.exists() else platform.node()}"


@dataclass
class HostLoad:
    """Lines of host_load.jsonl: {t_mono_ms, cpu_percent, loop_lag_ms}; lag is the worst since the line before."""

    lines: list[dict[str, float]] = field(default_factory=list)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        cpu_percent = psutil.cpu_percent()
        worst_ms, next_line = 0.0, loop.time() + SAMPLE_EVERY_S

        def line(t_ms: float, lag_ms: float) -> None:
            self.lines.append({"t_mono_ms": t_ms, "cpu_percent": cpu_percent, "loop_lag_ms": round(lag_ms, 2)})

        while True:
            asked_ms, due = mono_ms(), loop.time() + LAG_TIMER_S
            await asyncio.sleep(LAG_TIMER_S)  # the timer whose lateness is the measurement
            lag_ms = (loop.time() - due) * 1e3
            if lag_ms > MARKED_LAG_MS:  # a line of its own, so that it is known which moments it spoilt
                line(asked_ms, worst_ms)
                line(mono_ms(), lag_ms)
                worst_ms = 0.0
                continue
            worst_ms = max(worst_ms, lag_ms)
            if loop.time() >= next_line:
                cpu_percent = psutil.cpu_percent()
                line(mono_ms(), worst_ms)
                worst_ms, next_line = 0.0, loop.time() + SAMPLE_EVERY_S

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[HostLoad]:
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


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
    """Versions that do not depend on the attempt: ours, Python's, LiveKit's Python SDK, the commit."""
    versions = {"earwitness": importlib.metadata.version("earwitness"), "python": platform.python_version()}
    for name in ("livekit", "livekit-api", "playwright", "numpy", "scipy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = _commit()
    if commit is not None:
        versions["commit"] = commit
    return versions


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
