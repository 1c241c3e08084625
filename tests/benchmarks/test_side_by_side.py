"""The benchmark of sessions side by side: turns are paired by case, attempt and utterance, and only if both are believed."""

from __future__ import annotations

import pytest

from benchmarks.side_by_side import compare, latencies, line
from harness.model.measurement import Validity
from harness.model.side_by_side import SideBySide
from harness.model.verdict import Summary
from tests.judge.canned import case, measurement, metric, summary, verdict


def run(kpis_ms: dict[str, float], invalid: tuple[str, ...] = ()) -> Summary:
    told = []
    for name, kpi_ms in kpis_ms.items():
        definition = case(name)
        measured = measurement(name, user_kpi_raw_ms=metric(kpi_ms))
        if name in invalid:
            measured = measured.model_copy(update={"validity": Validity(ok=False, reasons=["overloaded"])})
        told.append((definition, verdict(definition, measured)))
    return summary(told)


def test_a_shift_is_a_turn_less_the_same_turn_alone() -> None:
    alone, _ = latencies(run({"a": 400.0, "b": 500.0, "c": 600.0}))
    beside = run({"c": 604.0, "a": 402.0, "b": 497.0, "new": 900.0}).model_copy(
        update={"side_by_side": SideBySide(jobs=2, holds=1)}
    )
    row = compare("2 side by side", beside, alone)
    assert (row.jobs, row.holds, row.turns, row.pairs, row.invalid) == (2, 1, 4, 3, 0)
    assert row.p50_ms == pytest.approx(2.0)
    assert row.p95_ms == pytest.approx(3.8)
    assert "| +2.0 ms | +3.8 ms | 3.9 ms |" in line(row)


def test_a_turn_that_is_not_believed_is_counted_and_not_paired() -> None:
    alone, invalid = latencies(run({"a": 400.0, "b": 500.0}, invalid=("b",)))
    assert invalid == 1
    row = compare("again", run({"a": 900.0, "b": 500.0}, invalid=("a",)), alone)
    assert (row.turns, row.invalid, row.pairs, row.p50_ms) == (2, 1, 0, None)
    assert "| 0 | – | – | – |" in line(row)
