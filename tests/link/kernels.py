"""What stands in for netem on a kernel that does not have it: namespaces as with it, with qdiscs that any kernel has."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import pytest

from harness.link.netem import WAYS_IN
from harness.network.profile import Direction


def way_into_a_namespace() -> tuple[str, ...]:
    """Skips the test where there is none."""
    for way in WAYS_IN:
        with suppress(OSError):
            if (
                subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode
                == 0
            ):
                return tuple(way)
    pytest.skip("no network namespace can be made here (no privilege, or no unshare)")


def qdisc_of_any_kernel(direction: Direction) -> list[str]:
    """Bandwidth by tbf, nothing else by pfifo."""
    if direction.bandwidth_kbps is None:
        return ["pfifo", "limit", "1000"]
    return ["tbf", "rate", f"{direction.bandwidth_kbps:g}kbit", "burst", "300", "latency", f"{direction.queue_ms:g}ms"]
