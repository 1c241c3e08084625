"""What live calls through a link are held to is itself tested, on made calls: the honest one passes, each lie is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.network.fate import Impairment
from harness.network.log import Row, Way
from harness.network.profile import load_profile
from harness.network.record import Done
from tests.live.went_through import (
    fates_are_those_of_the_seed,
    nothing_left_too_soon,
    the_echo_came_as_the_log_says,
)
from tests.network.calls import T0_MS, Call

WAYS: tuple[Way, ...] = ("up", "down")


def held(call: Call) -> None:
    for way in WAYS:
        own = sorted((row for row in call.rows if row.way == way), key=lambda row: row.n)
        nothing_left_too_soon(own)
        fates_are_those_of_the_seed(call.record(), own, way)
    the_echo_came_as_the_log_says(call.record(), call.rows)


@pytest.mark.parametrize("network", ["wifi_good", "4g_ok", "bad_wifi"])
def test_an_honest_call_passes_and_one_with_an_outage_too(network: str) -> None:
    held(Call(load_profile(network), 14))
    held(Call(load_profile(network), 14, done=[Done(at_ms=T0_MS + 5_000, for_ms=300)]))


def test_a_call_of_another_seed_or_of_another_profile_does_not() -> None:
    call = Call(load_profile("bad_wifi"), 14)
    call.seed = 2
    with pytest.raises(AssertionError):
        held(call)
    with pytest.raises(AssertionError):
        held(Call(load_profile("bad_wifi"), 14, really=Impairment(delay_ms=50, jitter_ms=40, loss=0.03)))


@pytest.mark.parametrize(
    "lie",
    [
        lambda row: replace(row, fate="loss", planned_ms=None, departed_ms=None),
        lambda row: replace(row, planned_ms=(row.planned_ms or 0) + 1, departed_ms=(row.departed_ms or 0) + 1),
        lambda row: replace(row, departed_ms=(row.planned_ms or 0) - 1),
    ],
)
def test_one_packet_that_had_another_fate_plan_or_departure_is_found(lie: Callable[[Row], Row]) -> None:
    call = Call(load_profile("4g_ok"), 14)
    at = next(k for k, row in enumerate(call.rows) if k > 300 and row.fate == "ok")
    call.rows[at] = lie(call.rows[at])
    with pytest.raises(AssertionError):
        held(call)


def test_an_echo_that_came_though_it_was_dropped_or_sooner_than_the_link_let_it_is_found() -> None:
    lost = Call(load_profile("bad_wifi"), 40)
    at = next(k for k, echo in enumerate(lost.echo) if echo.served_ms is None)
    lost.echo[at] = lost.echo[at].model_copy(update={"served_ms": lost.echo[at].sent_ms + 200})
    with pytest.raises(AssertionError, match="dropped"):
        held(lost)
    early = Call(load_profile("bad_wifi"), 14)
    early.echo = [
        echo.model_copy(update={"served_ms": echo.sent_ms + 1}) if echo.served_ms else echo for echo in early.echo
    ]
    with pytest.raises(AssertionError):
        held(early)
