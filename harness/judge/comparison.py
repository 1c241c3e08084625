"""Compare runs with earlier ones: a verdict for each metric, with the numbers behind it. Pure; see `resampling` for the
arithmetic.

A metric is worse (better) if its difference, paired by case, passes three tests: it exceeds the metric's floor; turns dealt
to the two sides at random seldom differ as much (permutation); and runs in which nothing changed seldom differ as much
(Student's t on one number a run, over at least RUNS_FOR_SPREAD runs). p is the larger of the last two (the t test's alone
where that is above the rate), so a false alarm needs both to err. The median of the lane's first latency is judged alone at
FALSE_ALARM_RATE; all other rows together at the same rate, by Holm's correction. A P95 is compared from ENOUGH_FOR_P95 turns
a side on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.judge import resampling
from harness.judge.compared import PRIMARY, ROWS, Compared
from harness.judge.resampling import N_PERMUTATIONS, Spread, Turns
from harness.judge.statistics import ENOUGH_FOR_P95
from harness.model.changes import Comparison, Side, Statistic, Verdict

FALSE_ALARM_RATE = 0.005  # once for the first latency, once for all other rows together: 1 % of nights in all
POWER = 0.95
RUNS_FOR_SPREAD = 3


@dataclass(frozen=True)
class Difference:
    """Now minus then for one row and statistic, before the correction for many rows. `p`: one-sided, in its direction."""

    effect: float
    p: float
    run_error: float
    spread: Spread


def compare(
    now: Mapping[str, Turns],
    then: Mapping[str, Turns],
    *,
    lane: str,
    spread: Mapping[str, Turns] | None = None,
    n_permutations: int = N_PERMUTATIONS,
) -> list[Comparison]:
    """Every row that either side has, the primary one first. Keys are metrics.

    `spread`: more runs than those of `then` in which nothing changed, to estimate how far runs differ.
    """
    tried: list[tuple[Compared, Statistic, Turns, Turns, Difference | str]] = []
    for row in ROWS:
        if row.metric not in now and row.metric not in then:
            continue
        for statistic in row.statistics:
            ours, theirs, pool = (_of(row, side) for side in (now, then, spread or {}))
            tried.append((row, statistic, ours, theirs, difference(statistic, ours, theirs, pool, n_permutations)))
    primary = PRIMARY[lane], "median"
    rest = [found.p for row, s, _, _, found in tried if isinstance(found, Difference) and (row.metric, s) != primary]
    adjusted = iter(resampling.holm(rest))
    done = []
    for row, statistic, ours, theirs, found in tried:
        first = (row.metric, statistic) == primary
        if isinstance(found, str):
            done.append(_incomparable(row, statistic, ours, theirs, first, found))
        else:
            p, rate = (found.p, FALSE_ALARM_RATE) if first else (next(adjusted), FALSE_ALARM_RATE / len(rest))
            done.append(_judged(row, statistic, ours, theirs, first, found, p, rate))
    return sorted(done, key=lambda comparison: not comparison.primary)


def difference(
    statistic: Statistic, now: Turns, then: Turns, pool: Turns | None = None, n_permutations: int = N_PERMUTATIONS
) -> Difference | str:
    """Now minus then, or why there is none. `pool`: more runs in which nothing changed; those of `then` may be in it."""
    if not len(now) or not len(then):
        return f"no turn {'of this run' if not len(now) else 'then'} has it"
    ours, theirs = resampling.paired(now, then)
    if not len(ours):
        return "no case is on both sides"
    fewest = min(len(ours), len(theirs))
    if statistic == "P95" and fewest < ENOUGH_FOR_P95:
        return f"a P95 needs {ENOUGH_FOR_P95} turns on each side; there are {len(ours)} now and {len(theirs)} then"
    others = _others(pool, ours, theirs)
    known = theirs.n_runs + others.n_runs
    if known < RUNS_FOR_SPREAD:
        return f"how far runs differ when nothing changed is known from {known} of them; it takes {RUNS_FOR_SPREAD}"
    ours, theirs, others = resampling.adjusted_for_cells(ours, theirs, others)
    return _difference(statistic, ours, theirs, resampling.joined(theirs, others), n_permutations)


def _others(pool: Turns | None, now: Turns, then: Turns) -> Turns:
    """Turns of the pool that are on neither side, of the cases that are on both."""
    if pool is None:
        return then.kept(np.zeros(len(then), dtype=bool))
    own = np.concatenate([now.runs, then.runs])
    return pool.kept(np.isin(pool.cells, then.cells) & ~np.isin(pool.runs, own))


def _difference(statistic: Statistic, now: Turns, then: Turns, runs: Turns, n_permutations: int) -> Difference:
    # the P95 of a run of a few turns is its maximum: there medians give the spread of runs
    spread = resampling.spread_of("median" if statistic == "P95" else statistic, runs)
    assert spread is not None
    effect = float(resampling.statistic_of(statistic, now.values) - resampling.statistic_of(statistic, then.values))
    run_error = spread.error(now.n_runs, then.n_runs)
    if statistic == "P95":
        run_error = float(np.hypot(run_error, resampling.standard_error(statistic, now, then)))
    p = resampling.run_test(abs(effect), run_error, spread.df)
    if p <= FALSE_ALARM_RATE:  # otherwise p is above the rate already
        worse, better = (now, then) if effect >= 0 else (then, now)
        p = max(p, resampling.permutation_test(statistic, worse, better, n_permutations))
    return Difference(effect, p, run_error, spread)


def verdict_of(effect: float, p: float, floor: float) -> Verdict:
    """`p` is adjusted for the rows that are judged together."""
    if p > FALSE_ALARM_RATE or abs(effect) <= floor:
        return Verdict.NO_DIFFERENCE
    return Verdict.WORSE if effect > 0 else Verdict.BETTER


def _judged(
    row: Compared,
    statistic: Statistic,
    now: Turns,
    then: Turns,
    primary: bool,
    found: Difference,
    p: float,
    rate: float,
) -> Comparison:
    ours, theirs = resampling.adjusted_for_cells(*resampling.paired(now, then))
    turn_error = resampling.standard_error(statistic, ours, theirs) if min(len(ours), len(theirs)) > 1 else 0.0
    seen = None  # unknown where neither turns nor runs differ at all
    if turn_error > 0 or found.run_error > 0:
        seen = resampling.detectable(
            false_alarm_rate=rate,
            power=POWER,
            turn_error=turn_error,
            run_error=found.run_error,
            df=found.spread.df,
        )
    verdict = verdict_of(found.effect, p, row.floor)
    reason = ""
    if verdict is Verdict.NO_DIFFERENCE and p <= FALSE_ALARM_RATE:
        reason = f"there is one, but the measurement is not good for less than {row.floor:g} {row.unit}".rstrip()
    return Comparison(
        metric=row.metric,
        title=row.title,
        unit=row.unit,
        statistic=statistic,
        primary=primary,
        verdict=verdict,
        now=_side(statistic, now),
        then=_side(statistic, then),
        effect=round(found.effect, 6),
        interval=resampling.interval_of_difference(statistic, ours, theirs, found.spread),
        p=p,
        false_alarm_rate=FALSE_ALARM_RATE,
        between_runs_sd=round(found.spread.sd, 6),
        detectable=round(max(seen, row.floor), 6) if seen is not None else None,
        power=POWER,
        reason=reason,
    )


def _incomparable(
    row: Compared, statistic: Statistic, now: Turns, then: Turns, primary: bool, reason: str
) -> Comparison:
    return Comparison(
        metric=row.metric,
        title=row.title,
        unit=row.unit,
        statistic=statistic,
        primary=primary,
        verdict=Verdict.INCOMPARABLE,
        now=_side(statistic, now),
        then=_side(statistic, then),
        false_alarm_rate=FALSE_ALARM_RATE,
        reason=reason,
    )


def _side(statistic: Statistic, turns: Turns) -> Side:
    """The raw statistic, not adjusted for cases; None for a P95 of few turns."""
    if not len(turns) or (statistic == "P95" and len(turns) < ENOUGH_FOR_P95):
        return Side(n_turns=len(turns), n_runs=turns.n_runs, value=None)
    value = round(float(resampling.statistic_of(statistic, turns.values)), 6)
    interval = resampling.interval_of(statistic, turns)
    return Side(n_turns=len(turns), n_runs=turns.n_runs, value=value, interval=interval)


def _of(row: Compared, side: Mapping[str, Turns]) -> Turns:
    turns = side.get(row.metric)
    if turns is None:
        nothing = np.array([], dtype=str)
        return Turns(np.array([], dtype=np.float64), nothing, nothing)
    return Turns(np.abs(turns.values), turns.runs, turns.cells) if row.absolute else turns
