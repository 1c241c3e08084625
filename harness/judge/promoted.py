"""USER_KPI judged by a promoted baseline: over the whole run, FAIL above the baseline's P95 + 50 ms (H-102, H-151).

In one case USER_KPI still only warns, by the table's limit: a baseline's P95 says nothing about one turn. Below 20 turns
the run's row warns too, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.judge.blocking import Judged
from harness.judge.gates import BY_ID, evaluate, gates_for, samples_of
from harness.judge.statistics import ENOUGH_FOR_P95
from harness.model.verdict import GateResult

ALLOWANCE_MS = 50.0
GATE = "user_kpi"


@dataclass(frozen=True)
class KpiLimit:
    """The limit of USER_KPI's P95, and the baseline that sets it."""

    limit_ms: float
    baseline: str


def apply_limit(rows: Sequence[GateResult], limit: KpiLimit | None, attempts: Sequence[Judged]) -> list[GateResult]:
    """The run's rows, USER_KPI's by `limit` if there is one."""
    if limit is None:
        return list(rows)
    return [_by_limit(row, limit, attempts) if row.gate_id == GATE else row for row in rows]


def _by_limit(row: GateResult, limit: KpiLimit, attempts: Sequence[Judged]) -> GateResult:
    gate = replace(BY_ID[GATE], threshold=limit.limit_ms, blocking=True)
    samples = [
        sample
        for attempt in attempts
        if any(own.id == GATE for own in gates_for(attempt.case))
        for sample in samples_of(gate, attempt.case, attempt.measurement)
    ]
    result = evaluate(gate, samples)
    source = f"limit of baseline {limit.baseline}"
    if result.n < ENOUGH_FOR_P95:
        few = f"{source} ({limit.limit_ms:g} ms) judges a P95 of {ENOUGH_FOR_P95} turns and more; there are {result.n}"
        return row.model_copy(update={"reason": "; ".join(filter(None, [row.reason, few]))})
    return result.model_copy(update={"reason": "; ".join(filter(None, [source, result.reason]))})
