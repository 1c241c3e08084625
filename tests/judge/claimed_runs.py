"""Runs of an agent that reports a latency of its own, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.claims import AFTER, BEFORE, CLAIMED, DIFFERENCE
from harness.model.measurement import Metric
from harness.model.verdict import Summary
from tests.judge.canned import case, measurement, metric, summary, verdict

Compared = tuple[float, float, float | None, float | None]  # heard, claimed, before, after


def claimed_run(turns: Sequence[Compared], faults: Sequence[Metric] = (), *, believed: bool = True) -> Summary:
    """One case a turn; `faults`: claims of further turns."""
    told = [
        {
            "user_kpi_raw_ms": metric(heard_ms),
            CLAIMED: metric(claimed_ms),
            DIFFERENCE: metric(heard_ms - claimed_ms),
            BEFORE: metric(before_ms),
            AFTER: metric(after_ms),
        }
        for heard_ms, claimed_ms, before_ms, after_ms in turns
    ]
    told += [{CLAIMED: fault} for fault in faults]
    names = [f"case{number}" for number in range(len(told))]
    cases = [
        (case(name), verdict(case(name), measurement(name, valid=believed, **metrics)))
        for name, metrics in zip(names, told, strict=True)
    ]
    return summary(cases)
