"""The ledger of one reply at one listener: a list of entries that covers the published sound and the heard sound.

Every entry begins where the one before it ends, in both recordings, so heard = published - lost + inserted holds to the
sample by construction; `imbalance` proves it. Positions are samples at 48 kHz of the two recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.measurement import LedgerKind

PER_MS = 48

HEARD_ONLY: tuple[LedgerKind, ...] = ("concealed", "repeated", "moved", "foreign")


@dataclass(frozen=True)
class Entry:
    """[p_start, p_end) of the published sound and [y_start, y_end) of the heard sound; either may be empty.

    `explained`: WebRTC's own counters account for it. `likeness`: 0 to 1, None where there is nothing to compare.
    `sound_ms`: how much of it can be heard, in the recording it is about (lost: published, else heard).
    """

    kind: LedgerKind
    p_start: int
    p_end: int
    y_start: int
    y_end: int
    sound_ms: float = 0.0
    likeness: float | None = None
    explained: bool = False
    detail: str = ""

    @property
    def p_ms(self) -> float:
        return (self.p_end - self.p_start) / PER_MS

    @property
    def y_ms(self) -> float:
        return (self.y_end - self.y_start) / PER_MS


@dataclass(frozen=True)
class Ledger:
    """`p`, `y`: the two stretches that the entries cover. `likeness_min`: of the worst 100 ms that arrived."""

    ring: str
    reference: str
    p: tuple[int, int]
    y: tuple[int, int]
    entries: tuple[Entry, ...]
    likeness_min: float | None

    def of(self, *kinds: LedgerKind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]


def imbalance(p: tuple[int, int], y: tuple[int, int], entries: Sequence[Entry]) -> str:
    """What does not add up, in words; "" for a ledger that balances to the sample."""
    at_p, at_y = p[0], y[0]
    for entry in entries:
        if (entry.p_start, entry.y_start) != (at_p, at_y):
            return f"an entry begins at {entry.p_start}, {entry.y_start}; the one before it ended at {at_p}, {at_y}"
        if entry.p_end < entry.p_start or entry.y_end < entry.y_start:
            return f"an entry ends before it begins, at {entry.p_start}, {entry.y_start}"
        at_p, at_y = entry.p_end, entry.y_end
    if (at_p, at_y) != (p[1], y[1]):
        return f"the entries end at {at_p}, {at_y}, the recordings at {p[1]}, {y[1]}"
    return ""
