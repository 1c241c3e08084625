"""Profiles as kernel netem's arguments; what netem has no word for is an error."""

from __future__ import annotations

import pytest

from harness.errors import ProvisionError, UsageError
from harness.link.netem import check, qdisc, way_in
from harness.network.profile import Bursts, Change, Direction, Profile, load_profile


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (Direction(), "limit 10000"),
        (load_profile("4g_ok").up, "delay 30ms 20ms 0% loss random 0.5% limit 10000"),
        (load_profile("rmcat_base").up, "delay 50ms 15ms 0% rate 1000kbit -18 limit 228"),
        (
            Direction(delay_ms=50, jitter_ms=10, jitter_distribution="pareto", jitter_correlation_percent=25),
            "delay 50ms 10ms 25% distribution pareto limit 10000",
        ),
        (
            Direction(bursts=Bursts(enter_percent=1, leave_percent=25, loss_percent=90)),
            "loss gemodel 1% 25% 10% 0% limit 10000",
        ),
        (
            Direction(delay_ms=20, duplicate_percent=1, reorder_percent=2),
            "delay 20ms duplicate 1% reorder 2% limit 10000",
        ),
    ],
)
def test_a_direction_becomes_the_words_of_tc(direction: Direction, words: str) -> None:
    assert " ".join(qdisc(direction)) == f"netem {words}"


@pytest.mark.parametrize(
    "direction",
    [
        Direction(delay_ms=20, keep_order=True),
        Direction(loss_percent=1, bursts=Bursts(enter_percent=1, leave_percent=25)),
    ],
)
def test_what_netem_cannot_do_is_said(direction: Direction) -> None:
    with pytest.raises(UsageError, match=r"--link netem: .*; use --link user"):
        check(Profile(name="test", uplink=direction))
    with pytest.raises(UsageError, match=r"--link netem: .*; use --link user"):
        check(Profile(name="test", changes=[Change(downlink=direction)]))


def test_what_goes_over_tcp_goes_by_the_relay() -> None:
    with pytest.raises(UsageError, match=r"--link netem: udp_blocked .*; use --link user"):
        check(load_profile("udp_blocked"))


def test_a_machine_without_the_tools_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProvisionError, match=r"^tc and ip and unshare not found"):
        way_in()
