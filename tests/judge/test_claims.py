"""The agreement of an agent's claims with what was heard, over a run."""

from __future__ import annotations

import numpy as np
import pytest

from harness.judge.claims import claims_of
from harness.model.measurement import Metric
from reports.view.claims import claims_view, in_one_sentence
from tests.judge.claimed_runs import claimed_run

PLANTED = (  # (claimed, invalid, reason)
    (None, False, "missing: the agent reports no lk.e2e_latency for this turn"),
    (0.0, True, "no agent answers in 0 ms"),
    (-40.0, True, "a latency is not negative"),
    (200_000.0, True, "longer than the call of 9.0 s"),
)


def test_bias_and_limits_are_those_of_bland_and_altman() -> None:
    differences = [400.0, 410.0, 420.0, 430.0, 440.0]
    claims = claims_of(claimed_run([(1_300 + d, 1_300, 60.0, d - 60) for d in differences]))
    assert claims is not None
    assert claims.bias_ms == pytest.approx(420)
    spread = 1.96 * float(np.std(differences, ddof=1))
    assert claims.limits_ms == (pytest.approx(420 - spread), pytest.approx(420 + spread))
    assert in_one_sentence(claims) == (
        "Your dashboard misses 420 ms of what your users wait (mean of 5 turns): 60 before it starts to count, "
        "360 after it stops."
    )


def test_each_planted_fault_of_a_claim_is_counted_named_and_left_out_of_the_bias() -> None:
    planted = [Metric(value=v, unit="ms", invalid=bad, reason=why) for v, bad, why in PLANTED]
    summary = claimed_run([(1_720, 1_300, 60.0, 360.0)] * 6, planted)
    claims, view = claims_of(summary), claims_view(summary)
    assert claims is not None
    assert view is not None
    assert (len(claims.turns), len(claims.missing), len(claims.absurd)) == (6, 1, 3)
    assert claims.bias_ms == pytest.approx(420)
    assert all(any(why in fault for fault in view.faults) for _, _, why in PLANTED)


def test_only_what_is_known_is_said_of_the_parts() -> None:
    some = claims_of(claimed_run([(1_720, 1_300, 60.0, 360.0), (1_720, 1_300, None, None)]))
    none = claims_of(claimed_run([(1_250, 1_300, None, None)]))
    assert some is not None
    assert none is not None
    assert in_one_sentence(some).endswith("60 before it starts to count, 360 after it stops (known in 1 of them).")
    assert in_one_sentence(none) == (
        "Your dashboard counts 50 ms more than your users wait (mean of 1 turn); between which moments it counts is not known."
    )


def test_few_turns_have_no_limits_of_agreement_and_one_has_no_plot() -> None:
    view = claims_view(claimed_run([(1_720, 1_300, 60.0, 360.0)] * 4))
    assert view is not None
    assert ("limits of agreement (95 %)", "too few turns") in view.rows
    assert view.plot is not None
    assert [name for _, name in view.plot.rules] == ["bias +420 ms"]
    one = claims_view(claimed_run([(1_720, 1_300, 60.0, 360.0)]))
    assert one is not None
    assert one.plot is None


def test_what_was_heard_and_is_not_to_be_believed_is_compared_with_nothing() -> None:
    claims = claims_of(claimed_run([(1_720, 1_300, 60.0, 360.0)] * 3, believed=False))
    assert claims is not None
    assert (claims.turns, claims.left_out) == ((), 3)
    assert "No claim" in in_one_sentence(claims)


def test_an_agent_without_claims_has_no_section() -> None:
    assert claims_of(claimed_run([])) is None
    assert claims_view(claimed_run([])) is None


def test_every_place_in_the_plot_lies_in_its_box() -> None:
    rng = np.random.default_rng(3)
    heard = rng.normal(1_500, 300, 60)
    view = claims_view(
        claimed_run([(h, h - d, None, None) for h, d in zip(heard, rng.normal(400, 80, 60), strict=True)])
    )
    assert view is not None
    assert view.plot is not None
    places = [float(p) for dot in view.plot.dots for p in (dot.left, dot.top)] + [
        float(top) for top, _ in view.plot.rules
    ]
    assert len(view.plot.dots) == 60
    assert len(view.plot.rules) == 3
    assert all(0 <= place <= 100 for place in [*places, float(view.plot.zero_top)])
