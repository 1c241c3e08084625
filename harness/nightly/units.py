"""A plan laid out: its attempts in order. Pure.

The unit of a night is one attempt of one case of one part. Within a part the cases take turns (first attempt of each, then
second of each, …), so that changes over the night affect all cases alike, and an interrupted night has about as many
attempts of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Unit:
    """Attempt `number` (from 1) of `case` in `part`."""

    part: str
    case: str
    number: int

    def trace_id(self, run_id: str) -> str:
        """The attempt's name in a run."""
        return f"{run_id}-{self.case}-a{self.number}"


def units_of(part: str, cases: Sequence[str], turns: int) -> list[Unit]:
    """All attempts of a part, in the order in which they are played."""
    return [Unit(part, case, number) for number in range(1, turns + 1) for case in cases]


def remaining(units: Iterable[Unit], done: Iterable[Unit]) -> list[Unit]:
    """Units not done, in order."""
    finished = set(done)
    return [unit for unit in units if unit not in finished]
