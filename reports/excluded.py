"""Gates that are not applicable, by reason: one reason often holds for dozens of them, and is said once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.status import Status
from harness.model.verdict import GateResult

NO_REASON = "nothing in this run is in its scope"


def excluded(gates: Sequence[GateResult]) -> list[tuple[list[str], str]]:
    """(gate ids in the order of the table, why), the reason of most gates first."""
    by_reason: dict[str, list[str]] = {}
    for gate in gates:
        if gate.status is Status.NOT_APPLICABLE:
            by_reason.setdefault(gate.reason or NO_REASON, []).append(gate.gate_id)
    return sorted(((names, reason) for reason, names in by_reason.items()), key=lambda row: -len(row[0]))
