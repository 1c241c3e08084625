"""The arithmetic of a comparison: adjusting for cases, intervals, two tests, and their smallest detectable change.

Arrays are float64 `(n_turns,)` with labels of the same length for the run and the cell (the case and the user's utterance in
it) of each turn. Turns of one run share its host, its browser and its jitter buffer, so they are not independent: a
difference must exceed both the scatter of turns (permutation) and the scatter of runs (Student's t on one number a run).
Resampling is scipy's; generators are seeded, so the same turns always give the same verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from harness.model.changes import Interval, Statistic

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]

LEVEL = 0.95
RUNS_TO_RESAMPLE = 6  # with fewer, drawing runs anew gives intervals that are far too narrow
N_BOOTSTRAP = 1_999
N_PERMUTATIONS = 9_999
SPREAD_GRID = 4_000
SEED = 20


@dataclass(frozen=True, eq=False)
class Turns:
    """One side's turns."""

    values: Floats
    runs: Labels
    cells: Labels

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_runs(self) -> int:
        return len(set(self.runs.tolist()))

    def kept(self, mask: npt.NDArray[np.bool_]) -> Turns:
        return Turns(self.values[mask], self.runs[mask], self.cells[mask])


def statistic_of(kind: Statistic, values: Floats, axis: int = -1) -> Any:
    if kind == "median":
        return np.median(values, axis=axis)
    return np.mean(values, axis=axis) if kind == "mean" else np.percentile(values, 95, axis=axis)


def joined(*sides: Turns) -> Turns:
    return Turns(*(np.concatenate([getattr(side, name) for side in sides]) for name in ("values", "runs", "cells")))


def paired(*sides: Turns) -> tuple[Turns, ...]:
    """Only the turns of cells that every side has."""
    common = set.intersection(*({*side.cells.tolist()} for side in sides))
    return tuple(side.kept(np.isin(side.cells, list(common))) for side in sides)


def adjusted_for_cells(*sides: Turns) -> tuple[Turns, ...]:
    """Each value minus the median of its cell over all sides together: the rest does not depend on the case.

    A median over all sides, not over one, errs alike on each side, and they stay exchangeable.
    """
    values = np.concatenate([side.values for side in sides])
    _, index = np.unique(np.concatenate([side.cells for side in sides]), return_inverse=True)
    order = np.argsort(index, kind="stable")
    groups = np.split(values[order], np.flatnonzero(np.diff(index[order])) + 1)
    centred = values - np.array([np.median(group) for group in groups])[index]
    ends = np.cumsum([len(side) for side in sides])[:-1]
    return tuple(Turns(part, side.runs, side.cells) for part, side in zip(np.split(centred, ends), sides, strict=True))


def by_run(kind: Statistic, turns: Turns) -> Floats:
    """The statistic of each run."""
    return np.array([float(statistic_of(kind, group)) for group in _groups(turns)])


def _groups(turns: Turns) -> list[Floats]:
    return [turns.values[turns.runs == run] for run in dict.fromkeys(turns.runs.tolist())]


def interval_of(kind: Statistic, turns: Turns) -> Interval | None:
    """The interval of one side's statistic; None for one turn."""
    if len(turns) < 2:
        return None
    if turns.n_runs >= RUNS_TO_RESAMPLE:
        groups = _groups(turns)
        low, high = _bootstrap((np.arange(len(groups)),), lambda i: statistic_of(kind, _gather(groups, i)), False)
        return Interval(low=round(low, 6), high=round(high, 6), level=LEVEL, resampled="runs")
    low, high = _bootstrap((turns.values,), lambda v, axis: statistic_of(kind, v, axis), True)
    return Interval(low=round(low, 6), high=round(high, 6), level=LEVEL, resampled="turns")


def interval_of_difference(kind: Statistic, now: Turns, then: Turns, spread: Spread) -> Interval | None:
    """The interval of now minus then. Where a side has too few runs to resample, its turns are resampled and the interval is
    widened by the spread of runs.
    """
    if min(len(now), len(then)) < 2:
        return None
    if min(now.n_runs, then.n_runs) >= RUNS_TO_RESAMPLE:
        ours, theirs = _groups(now), _groups(then)
        low, high = _bootstrap(
            (np.arange(len(ours)), np.arange(len(theirs))),
            lambda i, j: statistic_of(kind, _gather(ours, i)) - statistic_of(kind, _gather(theirs, j)),
            False,
        )
        return Interval(low=round(low, 6), high=round(high, 6), level=LEVEL, resampled="runs")
    low, high = _bootstrap((now.values, then.values), _difference(kind), True)
    middle = float(statistic_of(kind, now.values) - statistic_of(kind, then.values))
    wide = stats.t.ppf((1 + LEVEL) / 2, spread.df) * spread.error(now.n_runs, then.n_runs)
    low, high = middle - math.hypot(middle - low, wide), middle + math.hypot(high - middle, wide)
    return Interval(low=round(low, 6), high=round(high, 6), level=LEVEL, resampled="turns")


def _gather(groups: list[Floats], index: npt.NDArray[np.intp]) -> Floats:
    return np.concatenate([groups[i] for i in index])


def _difference(kind: Statistic) -> Any:
    def difference(now: Floats, then: Floats, axis: int = -1) -> Any:
        return statistic_of(kind, now, axis) - statistic_of(kind, then, axis)

    return difference


def _bootstrap(data: tuple[Any, ...], statistic: Any, vectorized: bool) -> tuple[float, float]:
    done = stats.bootstrap(
        data, statistic, n_resamples=N_BOOTSTRAP, confidence_level=LEVEL, method="percentile", vectorized=vectorized,
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return float(done.confidence_interval.low), float(done.confidence_interval.high)


@dataclass(frozen=True)
class Spread:
    """How far runs differ when nothing changed: the SD of one number a run, over `n_runs` of them.

    It includes the scatter of turns, so it needs no estimate of how dependent turns are.
    """

    sd: float
    n_runs: int

    @property
    def df(self) -> int:
        return self.n_runs - 1

    def error(self, runs_now: int, runs_then: int) -> float:
        """Standard error of a difference between the means of so many runs."""
        return self.sd * math.sqrt(1 / runs_now + 1 / runs_then)


def spread_of(kind: Statistic, turns: Turns) -> Spread | None:
    """None with one run, which does not show how far runs differ."""
    numbers = by_run(kind, turns)
    return Spread(float(np.std(numbers, ddof=1)), len(numbers)) if len(numbers) > 1 else None


def run_test(effect: float, error: float, df: int) -> float:
    """One-sided p of `effect` > 0 by Student's t. Without any spread p is 0 for a positive effect, else 1."""
    if error == 0:
        return 0.0 if effect > 0 else 1.0
    return float(stats.t.sf(effect / error, df))


def permutation_test(kind: Statistic, now: Turns, then: Turns, n_resamples: int = N_PERMUTATIONS) -> float:
    """One-sided p of now > then, over turns adjusted for their cells: how often turns dealt to the sides at random
    differ as much.
    """
    done = stats.permutation_test(
        (now.values, then.values), _difference(kind), permutation_type="independent", vectorized=True,
        n_resamples=n_resamples, batch=2_000, alternative="greater", rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return float(done.pvalue)


def standard_error(kind: Statistic, now: Turns, then: Turns) -> float:
    """Standard error of the difference, from turns alone."""
    done = stats.bootstrap(
        (now.values, then.values), _difference(kind), n_resamples=N_BOOTSTRAP, method="percentile", vectorized=True,
        rng=np.random.default_rng(SEED),
    )  # fmt: skip
    return float(done.standard_error)


def detectable(*, false_alarm_rate: float, power: float, turn_error: float, run_error: float, df: int) -> float:
    """The smallest change that passes both tests with `power`. Each test gets half of the miss rate."""
    each = 1 - (1 - power) / 2
    by_turns = (stats.norm.ppf(1 - false_alarm_rate) + stats.norm.ppf(each)) * turn_error
    if run_error == 0:
        return float(by_turns)
    critical = stats.t.ppf(1 - false_alarm_rate, df)
    # the noncentral t as a mean over possible estimates of the spread: scipy's nct fails for few runs and low rates
    taken_for = np.sqrt(stats.chi2.ppf((np.arange(SPREAD_GRID) + 0.5) / SPREAD_GRID, df) / df)

    def lacking(shift: float) -> float:
        return float(np.mean(stats.norm.cdf(shift - critical * taken_for))) - each

    by_runs = optimize.brentq(lacking, 0.0, critical * taken_for[-1] + 10) * run_error
    return float(max(by_turns, by_runs))


def holm(ps: list[float]) -> list[float]:
    """Adjusted p (Holm 1979): the chance of any false alarm in the family stays below the level, however the rows
    depend on each other.
    """
    adjusted = [0.0] * len(ps)
    worst = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = worst
    return adjusted
