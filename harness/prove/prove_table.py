"""The catalogue of faults as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from harness.prove.catalogue import Fault


def catalogue_table(faults: Sequence[Fault]) -> Table:
    table = Table(title=f"{len(faults)} faults")
    for heading in ("fault", "what it is", "severities", "limit", "where", "gates"):
        table.add_column(heading)
    for fault in faults:
        ladder = " ".join(f"{severity:g}" for severity in fault.ladder)
        limit = f"{fault.limit:g} {fault.unit}".strip()
        table.add_row(fault.id, fault.about, ladder, limit, " ".join(fault.where), " ".join(fault.gates))
    return table
