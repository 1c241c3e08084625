"""What chance can do to a whole run, computed anew: below 1 in 1,000, and as the docs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.listen.network_proof.applied import CHANCE_LEVEL, CHANCE_SD
from harness.network.fate import NORMAL, delay_moments_ms
from harness.network.loss import loss_interval
from harness.network.profile import load_profile
from tests.chance import LIMIT, PACKETS, seeded_call, table, whole_run
from tests.network.calls import Call

DOCS = Path(__file__).parents[1] / "docs" / "why" / "chance_in_tests.md"
CALL_S = 14.0  # of a live test's call
CALLS = 40


def test_chance_alone_turns_less_than_one_run_in_a_thousand_red() -> None:
    assert whole_run() < LIMIT


def test_the_docs_have_the_table_as_computed() -> None:
    assert table() in DOCS.read_text(encoding="utf-8"), "write it anew: python -m tests.chance"


@pytest.mark.parametrize("network", ["4g_ok", "bad_wifi"])
def test_the_live_calls_own_chance_is_what_their_profile_asks_for_however_long_they_take(network: str) -> None:
    """So that the proof's first figure stays said of a fixed call, which the live one repeats packet by packet."""
    profile = load_profile(network)
    for impairment, model in zip(
        (profile.up.impairment(), profile.down.impairment()), seeded_call(network).values(), strict=True
    ):
        lost, waits = 0, []
        mean, sd = delay_moments_ms(impairment)
        for n in range(PACKETS.stop):
            fate = model.decide(100, 20.0 * n)
            lost += fate.cause != ""
            if fate.due_ms is not None:
                waits.append(fate.due_ms - 20.0 * n)
            if n in PACKETS and n % 50 == 0:
                low, high = loss_interval(impairment, n + 1, CHANCE_LEVEL)
                assert low <= lost <= high
                assert abs(sum(waits) / len(waits) - mean) <= 2 + CHANCE_SD * sd / len(waits) ** 0.5


@pytest.mark.parametrize("network", ["wifi_good", "4g_ok", "bad_wifi"])
def test_calls_as_short_as_the_live_ones_are_proven_but_for_the_share_that_chance_may_take(network: str) -> None:
    """Fixed recordings: with these seeds the count is the same in every run. Chance may refuse about one in a hundred."""
    refused = [seed for seed in range(CALLS) if not Call(load_profile(network), CALL_S, seed).proof().applied]
    assert len(refused) <= 1, [Call(load_profile(network), CALL_S, seed).proof().in_words() for seed in refused]


def test_the_level_of_the_proof_is_the_one_that_is_published() -> None:
    assert pytest.approx(0.99, abs=0.001) == 1 - 2 * (1 - NORMAL.cdf(CHANCE_SD))
