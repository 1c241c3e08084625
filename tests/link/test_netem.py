"""Profiles as kernel netem's arguments; what netem has no word for is an error."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from harness.errors import UsageError
from harness.link.netem import arguments, why_no_netem
from harness.link.profile import Bursts, Direction, load_profile


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (Direction(), ""),
        (load_profile("4g_ok").up, "delay 30ms 20ms 0% loss random 0.5%"),
        (load_profile("rmcat_base").up, "delay 50ms 15ms 0% rate 1000kbit limit 228"),
        (
            Direction(delay_ms=50, jitter_ms=10, jitter_distribution="pareto", jitter_correlation_percent=25),
            "delay 50ms 10ms 25% distribution pareto",
        ),
        (
            Direction(bursts=Bursts(enter_percent=1, leave_percent=25, loss_percent=90)),
            "loss gemodel 1% 25% 10% 0%",
        ),
        (
            Direction(delay_ms=20, duplicate_percent=1, reorder_percent=2),
            "delay 20ms duplicate 1% reorder 2%",
        ),
    ],
)
def test_a_direction_becomes_the_words_of_tc(direction: Direction, words: str) -> None:
    assert " ".join(arguments(direction)) == words


@pytest.mark.parametrize(
    "direction",
    [
        Direction(delay_ms=20, keep_order=True),
        Direction(loss_percent=1, bursts=Bursts(enter_percent=1, leave_percent=25)),
    ],
)
def test_what_netem_cannot_do_is_said(direction: Direction) -> None:
    with pytest.raises(UsageError, match=r"--link netem: .*; use --link user"):
        arguments(direction)


def test_a_machine_without_the_tools_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert why_no_netem().startswith("tc and unshare not found")


#: In a network namespace of its own: loopback up, the qdisc on it, then packets from one socket to another on one clock.
DELAYS = """
import socket, statistics, time
there, here = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
there.bind(("127.0.0.1", 0)); there.settimeout(5)
took = []
for _ in range(20):
    sent = time.monotonic()
    here.sendto(b"x" * 100, there.getsockname())
    there.recv(200)
    took.append(1e3 * (time.monotonic() - sent))
print(statistics.median(took))
"""


def test_a_packet_is_as_late_as_the_words_ask_for() -> None:
    """Executed where the kernel has netem; the host's own network is not touched."""
    direction = Direction(delay_ms=40)
    words = shlex.join(["tc", "qdisc", "add", "dev", "lo", "root", "netem", *arguments(direction)])
    script = f"ip link set lo up && {words} && exec {shlex.join([sys.executable, '-c', DELAYS])}"
    why = why_no_netem()
    if not why.startswith("this kernel has netem"):
        pytest.skip(f"kernel netem cannot be used here: {why}")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 40 <= float(done.stdout) < 80  # never early; a busy host is late
