"""The fate of packets: the same seed gives the same fates, each thing by a generator of its own, with the asked figures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness.network.fate import Fate, FateModel, Impairment, delay_moments_ms, expected_loss

PACKET_MS = 20.0
SIZE = 100
BAD_WIFI = Impairment(delay_ms=50, jitter_ms=40, loss=0.02)


def fates(impairment: Impairment, n: int = 500, seed: int = 1, direction: str = "uplink") -> list[Fate]:
    model = FateModel(impairment, seed, direction)
    return [model.decide(SIZE, k * PACKET_MS) for k in range(n)]


def waits_ms(found: list[Fate]) -> list[float]:
    return [fate.due_ms - fate.n * PACKET_MS for fate in found if fate.due_ms is not None]


impairments = st.builds(
    Impairment,
    delay_ms=st.floats(40, 500),
    jitter_ms=st.floats(0, 40),
    distribution=st.sampled_from(["uniform", "normal", "pareto"]),
    correlation=st.floats(0, 0.99),
    keep_order=st.booleans(),
    loss=st.floats(0, 1),
    burst_enter=st.floats(0, 1),
    burst_leave=st.floats(0, 1),
    burst_loss=st.floats(0, 1),
    duplicate=st.floats(0, 1),
    reorder=st.floats(0, 1),
    bandwidth_kbps=st.none() | st.floats(10, 10_000),
    queue_ms=st.floats(1, 1_000),
)


@given(impairments, st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_fates(impairment: Impairment, seed: int) -> None:
    assert fates(impairment, 100, seed) == fates(impairment, 100, seed)


def test_another_seed_and_the_other_direction_give_other_fates() -> None:
    first = fates(BAD_WIFI)
    assert fates(BAD_WIFI, seed=2) != first
    assert fates(BAD_WIFI, direction="downlink") != first


@given(impairments)
def test_no_packet_leaves_before_it_comes_and_none_waits_longer_than_it_may(impairment: Impairment) -> None:
    for fate in fates(impairment, 200):
        assert (fate.due_ms is None) == (fate.cause != "") == (fate.copies == 0)
        if fate.due_ms is not None:
            assert fate.due_ms >= fate.n * PACKET_MS + fate.queued_ms
            if impairment.bandwidth_kbps is not None:
                sending_ms = (SIZE + 28) * 8 / impairment.bandwidth_kbps
                assert fate.queued_ms <= impairment.queue_ms + sending_ms + 1e-6


@given(impairments)
def test_packets_that_keep_order_never_overtake(impairment: Impairment) -> None:
    kept = replace(impairment, keep_order=True, reorder=0.0)
    leaving = [fate.due_ms for fate in fates(kept, 200) if fate.due_ms is not None]
    assert leaving == sorted(leaving)


def test_what_is_changed_in_one_thing_leaves_the_chance_of_the_others_alone() -> None:
    """The packets that loss takes are the same with jitter, duplicates and bursts as without."""
    alone = {fate.n for fate in fates(Impairment(loss=0.1)) if fate.cause == "loss"}
    busy = Impairment(
        delay_ms=50,
        jitter_ms=40,
        correlation=0.5,
        loss=0.1,
        burst_enter=0.02,
        burst_leave=0.3,
        duplicate=0.1,
        reorder=0.1,
    )
    assert {fate.n for fate in fates(busy) if fate.cause == "loss"} == alone
    assert alone


def test_a_change_in_mid_call_leaves_later_packets_their_draws() -> None:
    changed = FateModel(Impairment(delay_ms=500), 1, "uplink")
    for k in range(250):
        changed.decide(SIZE, k * PACKET_MS)
    changed.change(BAD_WIFI)
    later = [changed.decide(SIZE, k * PACKET_MS) for k in range(250, 500)]
    throughout = fates(BAD_WIFI)[250:]
    assert [(f.n, f.cause) for f in later] == [(f.n, f.cause) for f in throughout]
    assert waits_ms(later) == pytest.approx(waits_ms(throughout))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.005, 0.02, 0.05, 0.2])
def test_independent_loss_lies_in_its_binomial_interval(share: float, seed: int) -> None:
    n = 5_000
    lost = sum(fate.cause == "loss" for fate in fates(Impairment(loss=share), n, seed))
    low, high = binom.interval(0.9995, n, share)  # 20 of them: 99 % for all together
    assert low <= lost <= high


def test_bursts_have_the_asked_length_and_share() -> None:
    bursty = Impairment(burst_enter=0.01, burst_leave=0.25)
    lost = [fate.cause == "burst" for fate in fates(bursty, 50_000)]
    begun = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / begun == pytest.approx(4, rel=0.15)
    assert sum(lost) / len(lost) == pytest.approx(expected_loss(bursty), rel=0.15)
    assert expected_loss(bursty) == pytest.approx(0.01 / 0.26)


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto"])
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_delays_have_the_mean_of_the_profile_and_the_spread_of_the_model(distribution: str, correlation: float) -> None:
    impairment = Impairment(delay_ms=50, jitter_ms=15, distribution=distribution, correlation=correlation)  # type: ignore[arg-type]
    waits = waits_ms(fates(impairment, 20_000))
    mean, spread = delay_moments_ms(impairment)
    assert mean == pytest.approx(50, abs=0.1)
    assert fmean(waits) == pytest.approx(mean, abs=0.7)
    assert pstdev(waits) == pytest.approx(spread, rel=0.1)


def test_correlated_jitter_moves_slowly() -> None:
    def steps_ms(correlation: float) -> float:
        waits = waits_ms(fates(Impairment(delay_ms=50, jitter_ms=40, correlation=correlation), 2_000))
        return fmean(abs(b - a) for a, b in itertools.pairwise(waits))

    assert steps_ms(0.95) < steps_ms(0.5) < steps_ms(0.0)


def test_a_narrow_line_queues_and_drops_at_its_end_what_does_not_fit() -> None:
    narrow = Impairment(bandwidth_kbps=40, queue_ms=300)  # 51 kbit/s come
    found = fates(narrow, 1_000)
    queued = [fate.queued_ms for fate in found if not fate.cause]
    assert queued[0] == pytest.approx(25.6)
    assert 290 < max(queued) <= 326
    dropped = sum(fate.cause == "queue" for fate in found) / len(found)
    assert dropped == pytest.approx(1 - 40 / 51.2, abs=0.05)


def test_a_wide_line_lets_everything_pass() -> None:
    assert all(fate.queued_ms < 2 for fate in fates(Impairment(bandwidth_kbps=1_000)))


def test_an_outage_loses_all_that_comes_in_it_and_nothing_else() -> None:
    model = FateModel(Impairment(), 1, "downlink")
    model.cut(1_000, 1_300)
    lost = [k * PACKET_MS for k in range(200) if model.decide(SIZE, k * PACKET_MS).cause == "outage"]
    assert lost == [1_000 + k * PACKET_MS for k in range(15)]


def test_duplicates_come_twice_and_reordered_packets_overtake() -> None:
    twice = fates(Impairment(duplicate=0.1), 5_000)
    assert sum(fate.copies == 2 for fate in twice) / 5_000 == pytest.approx(0.1, abs=0.02)
    found = fates(Impairment(delay_ms=50, reorder=0.1), 5_000)
    overtook = sum(wait == pytest.approx(0) for wait in waits_ms(found))
    assert overtook / 5_000 == pytest.approx(0.1, abs=0.02)


def test_a_stream_loses_nothing_keeps_its_order_and_waits_out_an_outage() -> None:
    model = FateModel(Impairment(delay_ms=30, jitter_ms=20, bandwidth_kbps=60, queue_ms=1), 1, "uplink", reliable=True)
    model.cut(1_000, 1_300)
    found = [model.decide(SIZE, k * PACKET_MS) for k in range(200)]
    leaving = [fate.due_ms for fate in found if fate.due_ms is not None]
    assert len(leaving) == 200
    assert leaving == sorted(leaving)
    assert not any(1_100 < due < 1_300 for due in leaving)
