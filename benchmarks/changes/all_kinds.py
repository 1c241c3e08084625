"""Every kind of change, in the order of the table."""

from __future__ import annotations

from benchmarks.changes import added, byte_faults, colour, loudness, order, pace, replaced
from benchmarks.changes.kind import Kind

ALL: tuple[Kind, ...] = (
    *replaced.KINDS, *order.KINDS, *colour.KINDS, *pace.KINDS, *byte_faults.KINDS, *loudness.KINDS, *added.KINDS,
)  # fmt: skip
BY_ID = {kind.id: kind for kind in ALL}
