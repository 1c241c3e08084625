"""The figures behind the gates, one a reply: how bad each read, whether beyond its limit or not.

Thresholds are chosen from them. A gate that counts (clicks, holes) is read by the basis of its count: the margin of the
most click-like place, the longest hole. More is worse in all readings; the limit is on the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.judge.gates import gates_for, how_bad, worst_ring
from harness.judge.table import BY_ID, Gate, Op
from harness.listen.metrics.continuity import AUDIBLE_HOLE_MS, READING_ERROR_MS
from harness.model.case import Case
from harness.model.measurement import Measurement, Metric

HOLE_MS = AUDIBLE_HOLE_MS - READING_ERROR_MS


def _reads(gate_id: str, metrics: tuple[str, ...], op: Op, threshold: float) -> Gate:
    """The row as if it judged the basis of its count."""
    return replace(BY_ID[gate_id], metric=metrics[0], also=metrics[1:], aggregate="max", op=op, threshold=threshold)


BEHIND_COUNTS = {
    gate.id: gate
    for gate in (
        _reads("clicks", ("click_margin_db", "click_margin_ear_db", "click_margin_pre_db"), "<=", 0.0),
        _reads("booms", ("boom_margin_db", "boom_margin_ear_db"), "<=", 0.0),
        _reads("noise_bursts", ("noise_burst_margin_db", "noise_burst_margin_ear_db"), "<=", 0.0),
        _reads("audible_dropout", ("max_gap_ms",), "<", HOLE_MS),
        _reads("ear_dropout", ("max_gap_ear_ms",), "<", HOLE_MS),
    )
}


def row_read(gate_id: str) -> Gate:
    """The row whose metric is the reading of `gate_id`."""
    return BEHIND_COUNTS.get(gate_id, BY_ID[gate_id])


def limit_of(gate_id: str) -> float:
    """The limit on the readings' scale."""
    row = row_read(gate_id)
    return how_bad(row, row.threshold)


def readings_of(case: Case, measurement: Measurement) -> dict[int | None, dict[str, float]]:
    """Reply → gate → reading; None is the whole call. Only measured figures are in it."""
    found: dict[int | None, dict[str, float]] = {None: _of(case, measurement.metrics, "call")}
    for turn in measurement.turns:
        found[turn.reply_seq] = _of(case, turn.metrics, "turn")
    return found


def _of(case: Case, metrics: Mapping[str, Metric], per: str) -> dict[str, float]:
    readings: dict[str, float] = {}
    for gate in (g for g in gates_for(case) if g.per == per):
        row = row_read(gate.id)
        metric = worst_ring(row, metrics)
        if metric is not None and metric.value is not None:
            readings[gate.id] = round(how_bad(row, metric.value), 4)
    return readings
