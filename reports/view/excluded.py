"""Gates that are not applicable, by reason: one reason often holds for dozens of them, and appears once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.alike import by_reason
from harness.judge.gates import NOTHING_IN_SCOPE
from harness.model.status import Status
from harness.model.verdict import GateResult


def excluded(gates: Sequence[GateResult]) -> list[tuple[list[str], str]]:
    """(gate ids in the order of the table, why), the reason of most gates first."""
    apart = [(gate.gate_id, gate.reason or NOTHING_IN_SCOPE) for gate in gates if gate.status is Status.NOT_APPLICABLE]
    return sorted(by_reason(apart), key=lambda row: -len(row[0]))
