"""A sweep: the same cases at several values of one network or codec parameter, as a curve with intervals, and its knee. Pure.

Latency is the lane's first one (USER_KPI, in the bot lane end of turn to first audio), its median with a 95 % bootstrap
interval (percentile, seeded; turns resampled). Cases are held to the limits of a clean network here, for the question is
from where on the network breaks them. The knee is the mildest value from which on a blocking gate fails at every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from harness.judge.blocking import blocks
from harness.judge.codec import OnTheWire, codec_applied
from harness.judge.gates import evaluate, gates_for, samples_of
from harness.judge.network import ALLOWANCE, APPLIED, IMPAIRED
from harness.model.case import Case
from harness.model.limits import Limits
from harness.model.measurement import Measurement
from harness.model.status import COMPLETE, Status
from harness.model.verdict import Summary

RESAMPLES = 2_000
LEVEL = 0.95
LEAST_FOR_AN_INTERVAL = 3


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Worse = Literal["more", "less"]  # which direction of the varied parameter is harder
LESS_IS_WORSE = frozenset({"bandwidth", "bitrate"})


class Interval(_Frozen):
    """Median with its interval; None where there are too few values."""

    n: int
    median: float | None
    low: float | None
    high: float | None


class Point(_Frozen):
    """What was found at one value."""

    value: float
    attempts: int
    measured: int  # complete calls that are to be believed, with a proven network and codec
    failed: int  # those in which a blocking gate fails
    gates: dict[str, int]  # blocking gate → in how many attempts it fails
    latency_ms: Interval
    concealed_ratio: Interval
    run: str  # folder
    not_applied: int = 0  # calls in which the codec did not send what was asked of it
    told: str = ""  # what the wire shows of the codec


class Sweep(_Frozen):
    """`sweep.json`."""

    schema_version: int = 1
    parameter: str
    unit: str
    cases: list[str]
    lane: str
    points: list[Point]
    worse: Worse = "more"
    knee: float | None
    knee_gates: list[str]
    limits: str = ""  # in words, where they are not those that ship


def point(value: float, summary: Summary, cases: dict[str, Case], run: str, *, codec: str | None = None) -> Point:
    """One value's run as a point of the curve. `codec`: the parameter of the codec that was to have this value."""
    attempts = [(case.case_id, attempt) for case in summary.cases for attempt in case.attempts]
    measured = [
        (cases[case_id], attempt.measurement)
        for case_id, attempt in attempts
        if attempt.measurement is not None and attempt.capture_status in COMPLETE and _believed(attempt.measurement)
    ]
    on_the_wire = [codec_applied(codec, value, m) for _, m in measured] if codec is not None else []
    if codec is not None:
        measured = [pair for pair, one in zip(measured, on_the_wire, strict=True) if one.ok]
    gates: dict[str, int] = {}
    failed = 0
    for case, measurement in measured:
        bad = _failing(case, measurement, summary.limits)
        failed += bool(bad)
        for gate_id in bad:
            gates[gate_id] = gates.get(gate_id, 0) + 1
    latency = "user_kpi_raw_ms" if summary.lane == "browser" else "eot_to_first_audio_ms"
    return Point(
        value=value,
        attempts=len(attempts),
        measured=len(measured),
        failed=failed,
        gates=gates,
        latency_ms=interval(_values(measured, latency)),
        concealed_ratio=interval(_values(measured, "concealed_ratio")),
        run=run,
        not_applied=sum(not one.ok for one in on_the_wire),
        told=_wire_says(on_the_wire),
    )


def _wire_says(found: Sequence[OnTheWire]) -> str:
    """The figure of the first call that was not as asked, else of the first."""
    return next((one.what for one in found if not one.ok), found[0].what if found else "")


def _believed(measurement: Measurement) -> bool:
    applied = measurement.metrics.get(APPLIED)
    return measurement.validity.ok and applied is not None and applied.value == 1


def _failing(case: Case, measurement: Measurement, limits: Limits) -> list[str]:
    """Blocking gates that fail by the limits of a clean network."""
    metrics = {name: metric for name, metric in measurement.metrics.items() if name not in (ALLOWANCE, IMPAIRED)}
    clean = measurement.model_copy(update={"metrics": metrics})
    judged = [(gate, evaluate(gate, samples_of(gate, case, clean))) for gate in gates_for(case, clean, limits)]
    return [gate.id for gate, result in judged if blocks(gate, case) and result.status is Status.FAIL]


def _values(measured: Sequence[tuple[Case, Measurement]], name: str) -> list[float]:
    found = (turn.metrics.get(name) for _, measurement in measured for turn in measurement.turns)
    return [metric.value for metric in found if metric is not None and metric.value is not None and not metric.invalid]


def interval(values: Sequence[float], seed: int = 1) -> Interval:
    """Median and its bootstrap interval."""
    if not values:
        return Interval(n=0, median=None, low=None, high=None)
    center = round(float(np.median(values)), 6)
    if len(values) < LEAST_FOR_AN_INTERVAL:
        return Interval(n=len(values), median=center, low=None, high=None)
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1)
    low, high = np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(n=len(values), median=center, low=round(float(low), 6), high=round(float(high), 6))


def knee(points: Sequence[Point], worse: Worse = "more") -> tuple[float | None, list[str]]:
    """(the mildest value from which on a blocking gate fails at every value measured, those gates there)."""
    measured = sorted((p for p in points if p.measured), key=lambda p: p.value, reverse=worse == "less")
    from_here: Point | None = None
    for found in reversed(measured):
        if not found.failed:
            break
        from_here = found
    return (None, []) if from_here is None else (from_here.value, sorted(from_here.gates))
