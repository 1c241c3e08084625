"""Kernel netem: a direction of a profile as arguments of `tc`, and whether this machine could apply them.

`arguments` is pure. What netem has no word for is an error that says so, never left out silently.
"""

from __future__ import annotations

import shutil
import subprocess

from harness.errors import UsageError
from harness.link.profile import Direction

PROBE_TIMEOUT_S = 10.0
PACKET_BYTES = 200  # a voice packet on the wire; netem's limit counts packets
DISTRIBUTIONS = {"uniform": [], "normal": ["distribution", "normal"], "pareto": ["distribution", "pareto"]}


def arguments(direction: Direction) -> list[str]:
    """What follows `tc qdisc … netem`. Raises UsageError for what netem cannot do."""
    if direction.keep_order:
        raise UsageError("--link netem: keep_order has no counterpart in netem; use --link user")
    if direction.loss_percent and direction.bursts is not None:
        raise UsageError("--link netem: netem has either independent loss or bursts, not both; use --link user")
    words: list[str] = []
    if direction.delay_ms or direction.jitter_ms:
        words += ["delay", f"{direction.delay_ms:g}ms"]
        if direction.jitter_ms:
            words += [f"{direction.jitter_ms:g}ms", f"{direction.jitter_correlation_percent:g}%"]
            words += DISTRIBUTIONS[direction.jitter_distribution]
    if direction.loss_percent:
        words += ["loss", "random", f"{direction.loss_percent:g}%"]
    if direction.bursts is not None:
        bursts = direction.bursts
        in_burst = f"{100 - bursts.loss_percent:g}%"  # netem wants what passes inside (1-h)
        words += ["loss", "gemodel", f"{bursts.enter_percent:g}%", f"{bursts.leave_percent:g}%", in_burst, "0%"]
    if direction.duplicate_percent:
        words += ["duplicate", f"{direction.duplicate_percent:g}%"]
    if direction.reorder_percent:
        words += ["reorder", f"{direction.reorder_percent:g}%"]
    if direction.bandwidth_kbps is not None:
        held_bytes = direction.bandwidth_kbps * direction.queue_ms / 8
        under_way = (
            direction.bandwidth_kbps * (direction.delay_ms + direction.jitter_ms) / 8
        )  # netem's limit counts both
        words += ["rate", f"{direction.bandwidth_kbps:g}kbit"]
        words += ["limit", str(max(1, round((held_bytes + under_way) / PACKET_BYTES)))]
    return words


def why_no_netem() -> str:
    """Why kernel netem cannot be used here."""
    missing = [tool for tool in ("tc", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found (iproute2, util-linux)"
    # in a network namespace of its own, which needs no privilege where user namespaces are allowed
    trial = ["unshare", "--user", "--map-root-user", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem"]
    try:
        done = subprocess.run(
            [*trial, "delay", "1ms"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"could not be tried: {error}"
    if done.returncode == 0:
        return "this kernel has netem, but this version has no way through it yet"
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"this kernel does not do it ({said[-1] if said else 'tc failed'})"
