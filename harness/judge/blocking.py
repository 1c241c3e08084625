"""What blocks, in one case and over the whole run.

In a P0 case every blocking gate blocks; in a P1 case only the gates of the conversation block, the rest warn (H-101).
The same table also judges all attempts of the run together: there it shows what one case is too small to show (a cluster
of latencies too tight to be true, a P95 over 20 turns and more), and blocks like a case. A row of the run never contradicts
the cases: P1 cases alone make it a warning, and it does not pass where a case fails by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.gates import Gate, Sample, evaluate, gate_of_run, gates_for, samples_of, too_tight
from harness.model.case import Case, Tier
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement
from harness.model.status import Status, worst
from harness.model.verdict import GateResult

CONVERSATION_GATES = {"complete_reply", "replies", "no_reply", "reply_not_short", "reply_not_long", "said_once"}
IN_ORDER = (Status.PASS, Status.WARN, Status.NOT_APPLICABLE)


@dataclass(frozen=True)
class Judged:
    """One measured attempt, with the results of its case's gates."""

    case: Case
    measurement: Measurement
    gates: Sequence[GateResult]


def blocks(gate: Gate | GateResult, case: Case) -> bool:
    gate_id = gate.id if isinstance(gate, Gate) else gate.gate_id
    return gate.blocking and (case.tier is Tier.P0 or gate_id in CONVERSATION_GATES)


def as_warning(gate: GateResult) -> GateResult:
    """The result of a gate that does not block here: any bad status becomes WARN, and `would_be` keeps it."""
    if gate.status in IN_ORDER:
        return gate.model_copy(update={"blocking": False})
    return gate.model_copy(update={"blocking": False, "status": Status.WARN, "would_be": gate.status})


def over_run(gate: Gate, attempts: Sequence[Judged], limits: Limits = SHIPPED) -> GateResult:
    """One row over all attempts. `blocking` says in which table it stands, `status` what it does to the run."""
    gate = gate_of_run(gate, attempts[0].measurement if attempts else None, limits)  # one path, one network a run
    everything: list[Sample] = []
    held: list[Sample] = []  # those of cases that this gate blocks
    for attempt in attempts:
        own = next((g for g in gates_for(attempt.case, attempt.measurement, limits) if g.id == gate.id), None)
        if own is not None:
            samples = samples_of(own, attempt.case, attempt.measurement)
            everything += samples
            held += samples if blocks(own, attempt.case) else []
    whole = evaluate(gate, everything)
    if whole.status is Status.INVALID and too_tight(gate, everything):
        return whole
    verdict = evaluate(gate, held) if held else None
    if verdict is not None and verdict.status not in IN_ORDER:
        return verdict
    case_fails = _worst_of_cases(gate, attempts)
    if case_fails is not None:
        return case_fails.model_copy(
            update={
                "value": whole.value,
                "shown": whole.shown,
                "threshold": whole.threshold,
                "shipped": whole.shipped,
                "limit_note": whole.limit_note,
                "n": whole.n,
                "reason": f"holds over the run; not in {case_fails.worst_trace_id or 'a case'}: {case_fails.shown}",
            }
        )
    warning = as_warning(whole)
    if gate.blocking and warning.would_be is not None:
        reason = "; ".join(filter(None, ["only in cases where it warns", warning.reason]))
        warning = warning.model_copy(update={"reason": reason})
    return warning.model_copy(update={"blocking": gate.blocking})


def _worst_of_cases(gate: Gate, attempts: Sequence[Judged]) -> GateResult | None:
    """The worst result of this gate in any attempt where it blocks; None where it always holds."""
    bad = [
        result
        for attempt in attempts
        for result in attempt.gates
        if result.gate_id == gate.id and result.blocking and result.status not in IN_ORDER
    ]
    status = worst([result.status for result in bad])
    return next((result for result in bad if result.status is status), None)
