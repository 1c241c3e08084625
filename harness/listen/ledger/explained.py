"""What of a ledger WebRTC's own counters account for: concealment, and samples taken out or put in.

A jitter buffer that ran dry makes sound up (`concealedSamples` without the silent ones), one that catches up takes samples out
(`removedSamplesForAcceleration`). What the counters of the same stretch cover is explained, the largest first. A listener
without statistics gets the benefit of the doubt up to UNCOUNTED_MS. A cut of ALWAYS_MS that was joined is never explained:
no jitter buffer makes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.listen.ledger.entries import Entry

ALWAYS_MS = 80.0
UNCOUNTED_MS = 60.0
SLACK_MS = 5.0  # readings, and the cross-fades at both ends
EDGE_MS = 40.0  # a loss at the very beginning or end is the head's or tail's, which have their own metrics
FADE_MS = 15.0  # the seam of a piece that was taken out
TWO_BUFFERS_MS = (
    120.0  # between two listeners: the one that serves as reference may have been starved, and counts nothing
)


@dataclass(frozen=True)
class Counted:
    """What the jitter buffer says of the reply's stretch, ms."""

    concealed_ms: float
    removed_ms: float
    inserted_ms: float


@dataclass(frozen=True)
class _Break:
    """Neighbouring entries that are not one to one: their indices, what was lost and made in them."""

    at: tuple[int, ...]
    lost_ms: float
    made_ms: float
    shorter_ms: float  # how much shorter the heard side is


def explain(entries: Sequence[Entry], counted: Counted | None, uncounted_ms: float = UNCOUNTED_MS) -> tuple[Entry, ...]:
    """The entries, those that the counters cover marked as explained; sound that was made is then `concealed`.

    `uncounted_ms`: what passes for a jitter buffer's doing where nothing was counted.
    """
    marked = list(entries)
    budget = _Budget(counted, entries, uncounted_ms)
    for found in sorted(_breaks(entries), key=lambda b: -max(b.lost_ms, b.made_ms)):
        if not budget.covers(found):
            continue
        for index in found.at:
            entry = marked[index]
            marked[index] = replace(entry, explained=True, kind="concealed" if entry.kind == "foreign" else entry.kind)
    return tuple(marked)


class _Budget:
    """What is left of the counters."""

    def __init__(self, counted: Counted | None, entries: Sequence[Entry], uncounted_ms: float) -> None:
        self.uncounted_ms = None if counted is not None else uncounted_ms
        steps_ms = sum(entry.p_ms - entry.y_ms for entry in entries if entry.kind == "compressed")
        self.concealed_ms = counted.concealed_ms if counted is not None else 0.0
        self.removed_ms = max(0.0, counted.removed_ms - steps_ms) if counted is not None else 0.0

    def covers(self, found: _Break) -> bool:
        if found.made_ms < FADE_MS and found.lost_ms >= ALWAYS_MS:
            return False
        if self.uncounted_ms is not None:
            return max(found.lost_ms, found.made_ms) < self.uncounted_ms
        made_ms, shorter_ms = max(0.0, found.made_ms - FADE_MS), max(0.0, found.shorter_ms)
        if not _within(made_ms, self.concealed_ms):
            return False
        if _within(shorter_ms, self.removed_ms):
            self.removed_ms -= shorter_ms
        elif not _within(found.lost_ms, self.concealed_ms):
            return False
        self.concealed_ms -= max(made_ms, 0.0 if made_ms == 0 else found.made_ms)
        return True


def _within(needed_ms: float, counted_ms: float) -> bool:
    return needed_ms == 0 or (counted_ms > 0 and needed_ms <= counted_ms + SLACK_MS)


def _breaks(entries: Sequence[Entry]) -> list[_Break]:
    found: list[_Break] = []
    run: list[int] = []
    for index, entry in enumerate([*entries, None]):
        if entry is not None and entry.kind in ("lost", "foreign", "silence") and (run or entry.kind != "silence"):
            run.append(index)
            continue
        if run:
            part = [entries[i] for i in run]
            lost_ms = sum(e.sound_ms for e in part if e.kind == "lost")
            made_ms = sum(e.sound_ms for e in part if e.kind == "foreign")
            shorter_ms = sum(e.p_ms - e.y_ms for e in part)
            found.append(_Break(tuple(i for i in run if entries[i].kind != "silence"), lost_ms, made_ms, shorter_ms))
        run = []
    return found


def excess_ms(entries: Sequence[Entry], counted: Counted) -> float:
    """Sound that was made beyond what the counters say."""
    made_ms = sum(entry.sound_ms for entry in entries if entry.kind in ("concealed", "foreign"))
    stretched_ms = sum(entry.y_ms - entry.p_ms for entry in entries if entry.kind == "stretched")
    return max(0.0, made_ms + stretched_ms - counted.concealed_ms - counted.inserted_ms)
