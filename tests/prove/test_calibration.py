"""The statistics of a calibration, on errors whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.prove.calibration import (
    Calibrated,
    agreement,
    fit_line,
    judge_detector,
    judge_path,
    judge_probe,
    resolution_ms,
)

RNG = np.random.default_rng(7)
INJECTED = np.linspace(500.0, 1_600.0, 60)


def judged(errors: np.ndarray) -> Calibrated:
    measured = INJECTED + errors
    return judge_path(agreement(errors), fit_line(INJECTED, measured), resolution_ms(errors)).verdict


def test_agreement_is_bias_sd_and_limits() -> None:
    found = agreement([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.n, found.bias_ms, found.sd_ms, found.median_ms, found.max_abs_ms) == (3, 2.0, 1.0, 2.0, 3.0)
    assert found.low_ms == pytest.approx(2 - 1.96)
    assert found.high_ms == pytest.approx(2 + 1.96)
    assert found.bias_ci_ms == pytest.approx(4.303 / np.sqrt(3), abs=1e-3), "Student's t with 2 degrees of freedom"


def test_the_interval_of_the_bias_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for _ in range(400):
        found = agreement(RNG.normal(2.0, 3.0, 20).tolist())
        assert found is not None
        covered += abs(found.bias_ms - 2.0) <= found.bias_ci_ms
    assert 0.91 < covered / 400 < 0.985


def test_one_error_says_nothing() -> None:
    assert agreement([1.0]) is None
    assert resolution_ms([1.0]) is None
    assert fit_line([1.0, 2.0], [1.0, 2.0]) is None
    assert fit_line([5.0, 5.0, 5.0], [1.0, 2.0, 3.0]) is None


def test_a_line_is_found_with_its_slope_and_interval() -> None:
    line = fit_line(INJECTED.tolist(), (1.02 * INJECTED + 7 + RNG.normal(0, 1, 60)).tolist())
    assert line is not None
    assert abs(line.slope - 1.02) < line.slope_ci * 2
    assert 0 < line.slope_ci < 0.002
    assert line.correlation > 0.999


def test_resolution_is_the_difference_that_is_put_in_order_19_times_of_20() -> None:
    found = resolution_ms(RNG.normal(0, 1, 2_000).tolist())
    assert found == pytest.approx(1.645 * np.sqrt(2), rel=0.05)


def test_a_grid_of_20_ms_is_seen_in_the_resolution() -> None:
    delays = RNG.uniform(500, 1_600, 1_000)
    found = resolution_ms((20 * np.round(delays / 20) - delays).tolist())
    assert found is not None
    assert found > 10


def test_small_errors_are_calibrated() -> None:
    assert judged(RNG.normal(0.5, 1.0, 60)) is Calibrated.CALIBRATED


@pytest.mark.parametrize(
    ("errors", "what"),
    [
        (RNG.normal(6.0, 0.5, 60), "bias"),
        (RNG.normal(0.0, 7.0, 60), "spread"),
        (0.02 * (INJECTED - INJECTED.mean()), "slope"),
    ],
)
def test_a_bias_a_spread_and_a_slope_are_each_biased(errors: np.ndarray, what: str) -> None:
    assert judged(errors) is Calibrated.BIASED, what


def test_a_measurement_that_does_not_follow_the_delay_is_uncorrelated() -> None:
    assert judged(-INJECTED + RNG.normal(800, 100, 60)) is Calibrated.UNCORRELATED


def test_too_few_turns_are_no_data_never_a_pass() -> None:
    few = agreement([0.0] * 9)
    assert judge_path(few, fit_line([1, 2, 3], [1, 2, 3]), 0.0).verdict is Calibrated.NO_DATA
    assert judge_path(None, None, None).verdict is Calibrated.NO_DATA
    assert judge_detector(few).verdict is Calibrated.NO_DATA
    assert judge_probe(few, 1.0).verdict is Calibrated.NO_DATA


def test_every_broken_rule_is_named() -> None:
    finding = judge_detector(agreement([20.0, 20.5] * 10))
    assert finding.verdict is Calibrated.BIASED
    assert len(finding.reasons) == 2


@pytest.mark.parametrize(
    ("mean_ms", "correlation", "verdict"),
    [
        (70.0, 0.999, Calibrated.CALIBRATED),
        (5.0, 0.999, Calibrated.BIASED),
        (70.0, 0.5, Calibrated.UNCORRELATED),
    ],
)
def test_browser_against_probe(mean_ms: float, correlation: float, verdict: Calibrated) -> None:
    delta = agreement((mean_ms + RNG.normal(0, 2, 40)).tolist())
    assert judge_probe(delta, correlation).verdict is verdict
