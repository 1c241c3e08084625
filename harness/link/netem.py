"""Kernel netem: a direction of a profile as the words of `tc`, and the way to apply them on this machine, if there is one.

`qdisc` and `check` are pure. What netem has no word for is an error, never silently left out.
"""

from __future__ import annotations

import shutil
import subprocess

from harness.errors import ProvisionError, UsageError
from harness.network.profile import Direction, Profile

PROBE_TIMEOUT_S = 10.0
PACKET_BYTES = 200  # a voice packet on the wire; netem's limit counts packets
MOST_PACKETS = 10_000  # inside at once where nothing else bounds it; netem's own 1,000 are 5 s of a call
NOT_ON_THE_WIRE_BYTES = 18  # loopback's Ethernet header and the number that each packet goes in with (see `kernel`)
DISTRIBUTIONS = {"uniform": [], "normal": ["distribution", "normal"], "pareto": ["distribution", "pareto"]}
#: Ways into a network namespace of one's own: without privilege where user namespaces are allowed, else as root.
WAYS_IN = (["unshare", "--user", "--map-root-user", "--net"], ["unshare", "--net"])


def qdisc(direction: Direction) -> list[str]:
    """What follows `tc qdisc add dev … root`. Raises UsageError for what netem cannot do."""
    if direction.keep_order:
        raise UsageError("--link netem: keep_order has no counterpart in netem; use --link user")
    if direction.loss_percent and direction.bursts is not None:
        raise UsageError("--link netem: netem has either independent loss or bursts, not both; use --link user")
    words = ["netem"]
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
    if direction.bandwidth_kbps is None:
        return [*words, "limit", str(MOST_PACKETS)]
    held_bytes = direction.bandwidth_kbps * direction.queue_ms / 8
    under_way = direction.bandwidth_kbps * (direction.delay_ms + direction.jitter_ms) / 8  # netem's limit counts both
    words += ["rate", f"{direction.bandwidth_kbps:g}kbit", str(-NOT_ON_THE_WIRE_BYTES)]
    return [*words, "limit", str(max(1, round((held_bytes + under_way) / PACKET_BYTES)))]


def check(profile: Profile) -> None:
    """Raises UsageError if netem cannot do what the profile asks for, now or in mid-call."""
    if profile.udp_blocked:
        raise UsageError(
            "--link netem: udp_blocked is a stream through the relay, which netem cannot see; use --link user"
        )
    for way in (profile.up, profile.down):
        qdisc(way)
    for change in profile.changes:
        for name in ("uplink", "downlink"):
            direction = change.direction(name)
            if direction is not None:
                qdisc(direction)


def way_in() -> list[str]:
    """The command that makes a network namespace in which netem works. Raises ProvisionError with the reason."""
    missing = [tool for tool in ("tc", "ip", "unshare") if shutil.which(tool) is None]
    if missing:
        raise ProvisionError(f"{' and '.join(missing)} not found (iproute2, util-linux)")
    said = ""
    for way in WAYS_IN:
        trial = [*way, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        try:
            done = subprocess.run(trial, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProvisionError(f"it could not be tried: {error}") from error
        if done.returncode == 0:
            return way
        said = said or (done.stderr or done.stdout).strip()
    raise ProvisionError(f"this machine does not do it ({said.splitlines()[-1] if said else 'tc failed'})")
