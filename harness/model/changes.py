"""What changed: a run beside an earlier one and beside its baseline, as numbers. Part of `summary.json`.

Values are in each row's unit. A number that could not be computed is None, and the row's `reason` says why.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.networks import SideBySide


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(StrEnum):
    """`no difference shown` does not prove equality: `detectable` says what would have shown."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference shown"
    INCOMPARABLE = "cannot be compared"


Statistic = Literal["median", "P95", "mean"]


class Interval(_Frozen):
    """Contains the true value with probability `level`. `resampled`: what was drawn anew."""

    low: float
    high: float
    level: float = 0.95
    resampled: Literal["runs", "turns"]


class Side(_Frozen):
    """One side of a comparison: the value of the statistic over its turns."""

    n_turns: int
    n_runs: int
    value: float | None
    interval: Interval | None = None


class Comparison(_Frozen):
    """One metric by one statistic. `effect` is now minus then, paired by case; positive is worse.

    `p` is one-sided in the effect's direction, after the correction for many rows; a verdict needs it at or below
    `false_alarm_rate`. `detectable`: the change for the worse that these turns show with a power of `power`.
    """

    metric: str
    title: str
    unit: str
    statistic: Statistic
    primary: bool
    verdict: Verdict
    now: Side
    then: Side
    effect: float | None = None
    interval: Interval | None = None
    p: float | None = None
    false_alarm_rate: float
    between_runs_sd: float | None = None  # of the statistic, from run to run
    detectable: float | None = None
    power: float = 0.95
    reason: str = ""


class TrendPoint(_Frozen):
    """A run's KPI: `median`, and P95 from 20 turns on."""

    run_id: str
    started_at: str
    n_turns: int
    median_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    status: str | None
    first_attempt_pass_rate: float | None
    commit: str | None


class Against(_Frozen):
    """This run beside other ones. If `refused` has entries, nothing was compared; each is one difference."""

    what: str  # "run 2026…", "baseline main v3"
    run_ids: list[str]
    refused: list[str] = Field(default_factory=list)
    accepted: list[str] = Field(default_factory=list)  # differences that the user accepted
    left_out: list[str] = Field(default_factory=list)  # cases that could not be paired, and why
    noted: list[str] = Field(default_factory=list)  # differences that allow a comparison: commits, versions
    comparisons: list[Comparison] = Field(default_factory=list)
    newly_failing: list[str] = Field(default_factory=list)  # gates in order then, not now
    newly_passing: list[str] = Field(default_factory=list)


class Changes(_Frozen):
    """For a report: what is new since the previous comparable run and since the baseline, and the KPI's trend."""

    kpi: str  # the metric of the trend
    previous: Against | None = None
    baseline: Against | None = None
    trend: list[TrendPoint] = Field(default_factory=list)  # oldest first, this run last
    limit_ms: float | None = None  # what a promoted baseline allows USER_KPI's P95
    notes: list[str] = Field(default_factory=list)
    networks: SideBySide | None = None  # this run beside one over the clean link; None: this run used it
