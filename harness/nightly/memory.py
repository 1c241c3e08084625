"""The memory of the harness and everything it started: the agent, the media server, the browser.

Proportional set size where the kernel reports it (shared pages count once), else resident set size. It is read when a call
ends and all is still open, never during a call.
"""

from __future__ import annotations

import psutil


def used_bytes() -> int:
    """Processes that end meanwhile count nothing."""
    own = psutil.Process()
    return sum(map(_of, [own, *own.children(recursive=True)]))


def _of(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0
