"""Comparison of runs: what must hold whatever the numbers are, and the verdicts a reader relies on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.judge import resampling
from harness.judge.comparison import FALSE_ALARM_RATE, compare, difference, verdict_of
from harness.judge.resampling import Spread, Turns
from harness.model.changes import Comparison, Verdict

KPI = "user_kpi_raw_ms"


def runs(
    n: int, turns: int = 20, *, at: float = 450.0, sd: float = 20.0, run_sd: float = 4.0, seed: int = 1, name: str = "r"
) -> Turns:
    """Normal turns about normal runs; ten cases with levels of their own, 30 ms apart."""
    rng = np.random.default_rng(seed)
    case = np.tile(np.arange(turns) % 10, n)
    values = at + 30.0 * case + np.repeat(rng.normal(0, run_sd, n), turns) + rng.normal(0, sd, n * turns)
    return Turns(values, np.repeat([f"{name}{i}" for i in range(n)], turns), np.array([f"c{i}:0" for i in case]))


def shifted(turns: Turns, by: float) -> Turns:
    return Turns(turns.values + by, turns.runs, turns.cells)


def first(now: Turns, then: Turns, **more: object) -> Comparison:
    return compare({KPI: now}, {KPI: then}, lane="browser", **more)[0]  # type: ignore[arg-type]


def test_a_shift_of_80_ms_is_worse_by_about_that_and_back_again_better() -> None:
    then = runs(10)
    now = runs(1, seed=2, name="now")
    up, down = first(shifted(now, 80), then), first(shifted(now, -80), then)
    assert (up.verdict, down.verdict) == (Verdict.WORSE, Verdict.BETTER)
    assert up.effect == pytest.approx(80, abs=20)
    assert up.interval is not None
    assert up.interval.low < 80 < up.interval.high
    assert up.p is not None
    assert up.p <= FALSE_ALARM_RATE


def test_nothing_changed_is_no_difference_and_says_what_would_have_been_seen() -> None:
    found = first(runs(1, seed=3, name="now"), runs(10))
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert found.detectable is not None
    assert 10 < found.detectable < 60
    assert found.power == 0.95


def test_another_mix_of_cases_is_no_difference_because_cases_are_paired() -> None:
    now = runs(1, seed=4, name="now")
    slow_cases = now.kept(np.isin(now.cells, ["c7:0", "c8:0", "c9:0"]))  # 200 ms above the others
    found = first(slow_cases, runs(10))
    assert found.now.value is not None
    assert found.then.value is not None
    assert found.now.value - found.then.value > 80
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert found.effect is not None
    assert abs(found.effect) < 30


def test_cases_of_one_side_only_do_not_count() -> None:
    now = runs(1, seed=5, name="now")
    alien = Turns(np.full(20, 5_000.0), now.runs, np.array(["new:0"] * 20))
    assert first(resampling.joined(now, alien), runs(10)).effect == pytest.approx(first(now, runs(10)).effect)


def test_a_shift_that_runs_have_among_themselves_is_no_regression_however_many_turns_show_it() -> None:
    """200 turns of one run share its luck: turn by turn +60 ms would be beyond doubt."""
    then = runs(6, turns=200, run_sd=0.0, seed=6)
    then = Turns(then.values + np.repeat([-60.0, -35.0, -10.0, 10.0, 35.0, 60.0], 200), then.runs, then.cells)
    now = shifted(runs(1, turns=200, run_sd=0.0, seed=7, name="now"), 60)
    found = difference("median", now, then)
    assert not isinstance(found, str)
    assert resampling.permutation_test("median", *resampling.adjusted_for_cells(now, then), n_resamples=999) < 0.01
    assert verdict_of(found.effect, found.p, 5.0) is Verdict.NO_DIFFERENCE


@pytest.mark.parametrize("n_runs", [1, 2])
def test_too_few_runs_to_know_how_far_runs_differ_is_no_verdict(n_runs: int) -> None:
    found = first(shifted(runs(1, seed=2, name="now"), 500), runs(n_runs))
    assert found.verdict is Verdict.INCOMPARABLE
    assert f"known from {n_runs} of them; it takes 3" in found.reason
    assert found.effect is None


def test_the_spread_may_come_of_other_runs_than_the_one_compared_with() -> None:
    pool = runs(8)
    last = pool.kept(pool.runs == "r7")
    found = first(shifted(runs(1, seed=2, name="now"), 100), last, spread={KPI: pool})
    assert found.verdict is Verdict.WORSE
    assert found == first(shifted(runs(1, seed=2, name="now"), 100), last, spread={KPI: pool.kept(pool.runs != "r7")})
    assert (found.then.n_runs, found.then.n_turns) == (1, 20)


@pytest.mark.parametrize(("now", "then", "compared"), [(19, 20, False), (20, 20, True), (20, 6, False)])
def test_a_p95_is_compared_from_20_turns_on_each_side(now: int, then: int, compared: bool) -> None:
    cells = np.array(["c:0"])
    rng = np.random.default_rng(1)
    ours = Turns(rng.normal(450, 20, now), np.repeat("now", now), np.repeat(cells, now))
    theirs = Turns(rng.normal(450, 20, then), np.array([f"r{i % 3}" for i in range(then)]), np.repeat(cells, then))
    found = next(c for c in compare({KPI: ours}, {KPI: theirs}, lane="browser") if c.statistic == "P95")
    assert (found.verdict is not Verdict.INCOMPARABLE) is compared
    if not compared:
        assert "a P95 needs 20 turns on each side" in found.reason
    assert (found.now.value is None) is (now < 20)


def test_a_metric_of_one_side_only_is_listed_not_dropped() -> None:
    found = compare({KPI: runs(1)}, {KPI: runs(3), "mel_distance_db": runs(3)}, lane="browser")
    mel = next(c for c in found if c.metric == "mel_distance_db")
    assert mel.verdict is Verdict.INCOMPARABLE
    assert mel.reason == "no turn of this run has it"


def test_a_difference_below_what_the_measurement_is_good_for_is_none() -> None:
    exact = {"sd": 0.05, "run_sd": 0.05}
    found = first(shifted(runs(1, seed=2, name="now", **exact), 2.0), runs(10, **exact))
    assert found.p is not None
    assert found.p <= FALSE_ALARM_RATE
    assert found.verdict is Verdict.NO_DIFFERENCE
    assert "not good for less than 5 ms" in found.reason


def test_a_fingerprint_is_worse_the_further_it_is_from_0() -> None:
    then = runs(10, at=0.0, sd=30.0)
    then = Turns(then.values - 30.0 * np.tile(np.arange(20) % 10, 10), then.runs, then.cells)
    now = Turns(np.full(20, -3_000.0), np.repeat("now", 20), then.cells[:20])
    (found,) = (c for c in compare({"speed_ppm": now}, {"speed_ppm": then}, lane="browser"))
    assert (found.verdict, found.primary) == (Verdict.WORSE, False)


def test_counts_that_never_vary_give_no_power_instead_of_perfect_power() -> None:
    def zeros(n: int, name: str) -> Turns:
        return Turns(np.zeros(20 * n), np.repeat([f"{name}{i}" for i in range(n)], 20), np.tile(["c:0"], 20 * n))

    (found,) = compare({"dropout_count": zeros(1, "now")}, {"dropout_count": zeros(5, "r")}, lane="browser")
    assert (found.verdict, found.effect, found.detectable) == (Verdict.NO_DIFFERENCE, 0.0, None)


def test_the_primary_row_is_judged_alone_and_the_others_pay_for_their_number() -> None:
    names = ("fast_ttft_ms", "tts_first_to_publish_ms", "effective_hangover_ms", "way_besides_buffer_ms")
    then = {name: runs(10, seed=i) for i, name in enumerate(names)}
    now = {name: runs(1, seed=20 + i, name="now") for i, name in enumerate(names)}
    alone = compare({names[0]: now[names[0]]}, {names[0]: then[names[0]]}, lane="browser")[0]
    among = next(c for c in compare(now, then, lane="browser") if c.metric == names[0])
    assert alone.p is not None
    assert among.p is not None
    assert among.p >= alone.p
    assert alone.detectable is not None
    assert among.detectable is not None
    assert among.detectable > alone.detectable


def test_the_same_turns_give_the_same_verdict_to_the_last_digit() -> None:
    one, two = (first(shifted(runs(1, seed=2, name="now"), 40), runs(10)) for _ in range(2))
    assert one == two


def test_holm_is_what_the_textbook_says() -> None:
    assert resampling.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_only_ever_raises_p_and_keeps_their_order(ps: list[float]) -> None:
    adjusted = resampling.holm(ps)
    assert all(p <= a <= 1 for p, a in zip(ps, adjusted, strict=True))
    assert [adjusted[i] for i in sorted(range(len(ps)), key=ps.__getitem__)] == sorted(adjusted)


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=40),
    cells=st.integers(1, 5),
    offset=st.floats(-1e4, 1e4),
)
def test_adjusting_for_cases_takes_out_what_a_case_adds_to_both_sides(
    values: list[float], cells: int, offset: float
) -> None:
    labels = np.array([f"c{i % cells}:0" for i in range(len(values))])
    side = Turns(np.array(values), np.repeat("r", len(values)), labels)
    added = Turns(side.values + offset * (labels == "c0:0"), side.runs, side.cells)
    plain = resampling.adjusted_for_cells(side, side)
    other = resampling.adjusted_for_cells(added, added)
    for a, b in zip(plain, other, strict=True):
        assert b.values == pytest.approx(a.values, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100))
def test_the_effect_changes_its_sign_when_the_sides_are_changed(seed: int, shift: float) -> None:
    then, now = runs(3, seed=seed), shifted(runs(3, seed=seed + 1, name="now"), shift)
    there = difference("median", now, then, n_permutations=99)
    back = difference("median", then, now, n_permutations=99)
    assert not isinstance(there, str)
    assert not isinstance(back, str)
    assert there.effect == pytest.approx(-back.effect)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), offset=st.floats(-1e3, 1e3))
def test_a_constant_on_both_sides_changes_no_effect(seed: int, offset: float) -> None:
    then, now = runs(3, seed=seed), runs(1, seed=seed + 1, name="now")
    plain = difference("median", now, then, n_permutations=99)
    moved_then = shifted(then, offset)
    moved = difference("median", shifted(now, offset), moved_then, n_permutations=99)
    assert not isinstance(plain, str)
    assert not isinstance(moved, str)
    assert moved.effect == pytest.approx(plain.effect, abs=1e-6)


@pytest.mark.parametrize("df", [2, 5, 9])
def test_what_could_be_seen_is_seen_as_often_as_it_says(df: int) -> None:
    """Against the noncentral t that the run test follows: a change of that size passes it at least with that power."""
    seen = resampling.detectable(false_alarm_rate=0.01, power=0.95, turn_error=0.0, run_error=8.0, df=df)
    assert float(stats.nct.sf(stats.t.ppf(0.99, df), df, seen / 8.0)) == pytest.approx(0.975, abs=1e-3)


@pytest.mark.parametrize("rate", [0.01, 0.01 / 24])
def test_what_could_be_seen_is_a_number_with_the_fewest_runs_and_the_strictest_rate(rate: float) -> None:
    seen = resampling.detectable(false_alarm_rate=rate, power=0.95, turn_error=1.0, run_error=1.0, df=2)
    assert 10 < seen < 200


def test_the_run_test_needs_no_spread_to_be_certain_of_nothing() -> None:
    assert resampling.run_test(0.0, 0.0, 5) == 1.0
    assert resampling.run_test(1.0, 0.0, 5) == 0.0
    assert Spread(8.0, 10).error(1, 10) == pytest.approx(8.0 * math.sqrt(1.1))


def test_intervals_are_drawn_by_run_where_there_are_runs_enough() -> None:
    many, few = resampling.interval_of("median", runs(8)), resampling.interval_of("median", runs(2))
    assert many is not None
    assert few is not None
    assert (many.resampled, few.resampled) == ("runs", "turns")
    assert resampling.interval_of("median", runs(1, turns=1)) is None


def test_false_alarms_and_power_of_simulated_nights() -> None:
    """A small form of benchmarks/sensitivity.py. At 0.5 % of 400 nights, more than 8 alarms come once in 4,000 times."""
    alarms = seen = 0
    for night in range(400):
        then = runs(10, seed=2 * night)
        now = runs(1, seed=2 * night + 1, name="now")
        for shift in (0.0, 50.0):
            found = difference("median", shifted(now, shift), then, n_permutations=199)
            assert not isinstance(found, str)
            worse = verdict_of(found.effect, found.p, 5.0) is Verdict.WORSE
            alarms += worse and not shift
            seen += worse and bool(shift)
    assert alarms <= 8
    assert seen >= 360
