"""Marks of a profile on what the user hears, and how an attempt's end is named for its link. No call is made here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from harness.errors import AttemptError, HarnessError, ProvisionError, UsageError
from harness.link.link import Link
from harness.live.hearing import Hearing
from harness.live.network import Network, explained, marks_kept, open_network
from harness.model.plan import NetworkSpec
from harness.model.status import CaptureStatus
from harness.network.profile import Profile, load_profile

PER_MS = 48


class ToldLink:
    """Notes what it is told, and when on the user's clock."""

    def __init__(self, profile: dict[str, Any], hearing: Hearing) -> None:
        self.profile = Profile.model_validate({"name": "x", **profile})
        self.hearing = hearing
        self.told: list[tuple[int, Any]] = []

    async def cut(self, for_ms: float, ways: str) -> None:
        self.told.append((self.hearing.now // PER_MS, (for_ms, ways)))

    async def change(self, uplink: Any, downlink: Any) -> None:
        self.told.append((self.hearing.now // PER_MS, (uplink, downlink)))


async def told_of(
    profile: dict[str, Any], sound: list[tuple[float, float]], length_ms: int = 6_000
) -> list[tuple[int, Any]]:
    """What the link is told when the user hears `sound` (from, to in ms), 10 ms at a time."""
    hearing = Hearing()
    link = ToldLink(profile, hearing)
    async with marks_kept(cast(Link, link), hearing):
        for at_ms in range(0, length_ms, 10):
            loud = any(start <= at_ms < end for start, end in sound)
            hearing.feed(at_ms * PER_MS, np.full(480, 0.3 if loud else 0.0, np.float32))
            for _ in range(3):  # whoever waits for audio gets its turn
                await asyncio.sleep(0)
    return link.told


async def test_an_outage_comes_at_its_time_into_the_reply() -> None:
    outage = {"after": "reply_start", "delay_ms": 2_000, "for_ms": 300}
    assert await told_of({"outages": [outage]}, [(1_000, 5_000)]) == [(3_000, (300, "both"))]


class RefusingLink(ToldLink):
    """Says no to all that it is told."""

    async def cut(self, for_ms: float, ways: str) -> None:
        raise HarnessError("the link's relay did not answer within 5 s")

    async def change(self, uplink: Any, downlink: Any) -> None:
        raise RuntimeError("a fault of ours")


@pytest.mark.parametrize(
    ("profile", "expected", "match"),
    [
        ({"outages": [{"delay_ms": 10, "for_ms": 300}]}, AttemptError, "outage could not be made.+within 5 s"),
        ({"changes": [{"delay_ms": 10, "both": {"delay_ms": 5}}]}, RuntimeError, "a fault of ours"),
    ],
)
async def test_a_mark_that_fails_ends_the_conversation_with_its_error(
    profile: dict[str, Any], expected: type[Exception], match: str
) -> None:
    hearing = Hearing()
    link = RefusingLink(profile, hearing)

    async def endless_conversation() -> None:
        async with asyncio.timeout(10), marks_kept(cast(Link, link), hearing):
            hearing.feed(0, np.zeros(4_800, np.float32))
            await asyncio.Event().wait()

    with pytest.raises(expected, match=match):
        await endless_conversation()


async def test_an_error_of_the_conversation_comes_out_as_it_is() -> None:
    hearing = Hearing()
    link = ToldLink({"outages": [{"delay_ms": 10, "for_ms": 300}]}, hearing)
    with pytest.raises(AttemptError, match="nothing was heard"):
        async with marks_kept(cast(Link, link), hearing):
            raise AttemptError(CaptureStatus.REPLY_TIMEOUT, "nothing was heard")


async def test_a_mark_of_the_second_reply_waits_for_it() -> None:
    outage = {"after": "reply_start", "reply": 1, "delay_ms": 100, "for_ms": 50, "ways": "downlink"}
    assert await told_of({"outages": [outage]}, [(500, 1_500), (3_000, 4_000)]) == [(3_100, (50, "downlink"))]


async def test_a_change_may_hang_on_the_start_of_the_call_and_on_the_end_of_a_reply() -> None:
    changes = [
        {"after": "call_start", "delay_ms": 400, "downlink": {"delay_ms": 80}},
        {"after": "reply_end", "delay_ms": 1_000, "both": {"delay_ms": 20}},
    ]
    first, second = await told_of({"changes": changes}, [(1_000, 2_000)])
    assert first[0] == 400
    assert first[1][0] is None
    assert first[1][1].delay_ms == 80
    assert second[0] == 3_000
    assert second[1][0].delay_ms == second[1][1].delay_ms == 20


async def test_a_mark_that_never_comes_holds_nothing_up() -> None:
    assert await told_of({"outages": [{"after": "reply_start", "for_ms": 300}]}, []) == []


def error(status: CaptureStatus) -> AttemptError:
    return AttemptError(status, "what was seen")


def test_the_end_of_a_call_is_named_for_its_link_where_that_is_the_reason() -> None:
    link = Link(load_profile("call_drop"), 1, ["user"])
    timeout, lost = error(CaptureStatus.REPLY_TIMEOUT), error(CaptureStatus.SERVER_LOST)
    assert explained(timeout, None, server_lost=False) is timeout
    assert explained(timeout, link, server_lost=False) is timeout  # a lossy network alone excuses no agent
    assert explained(lost, link, server_lost=True) is lost
    dropped = explained(lost, link, server_lost=False)
    assert dropped.status is CaptureStatus.CALL_DROPPED
    assert "could not be held over call_drop: what was seen" in dropped.detail
    link._cut_ms = 300
    assert explained(timeout, link, server_lost=False) is timeout
    link._cut_ms = 30_000
    assert explained(timeout, link, server_lost=False).status is CaptureStatus.CALL_DROPPED
    link.lost_why = "the link's relay ended with -9"
    link.lost.set()
    assert explained(timeout, link, server_lost=False).status is CaptureStatus.LINK_LOST


def test_each_attempt_has_chance_of_its_own_and_the_same_in_every_run() -> None:
    network = Network(load_profile("bad_wifi"), 1, server_offers_tcp=False)
    seeds = {network.seed_for(case_id, number) for case_id in ("a", "b") for number in (1, 2)}
    assert len(seeds) == 4
    assert network.seed_for("a", 1) == Network(load_profile("4g_ok"), 1, server_offers_tcp=True).seed_for("a", 1)
    assert network.seed_for("a", 1) != Network(load_profile("bad_wifi"), 2, server_offers_tcp=False).seed_for("a", 1)


def test_kernel_netem_is_refused_with_the_reason_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProvisionError, match=r"--link netem: .+ not found .+; use --link user"):
        open_network(NetworkSpec("bad_wifi", link="netem"), external=False)
    with pytest.raises(UsageError, match=r"--link netem: udp_blocked .+; use --link user"):
        open_network(NetworkSpec("udp_blocked", link="netem"), external=False)
    assert open_network(None, external=False) is None


async def test_a_link_that_does_not_come_up_is_named(tmp_path: Path) -> None:
    (tmp_path / "link.csv").mkdir()
    network = Network(load_profile("wifi_good"), 1, server_offers_tcp=False)
    with pytest.raises(AttemptError, match="LINK_LOST: the link did not come up") as caught:
        async with network.open("ws://127.0.0.1:1", "a", 1, tmp_path, ["user"]):
            raise AssertionError("it must not open")
    assert caught.value.status is CaptureStatus.LINK_LOST
