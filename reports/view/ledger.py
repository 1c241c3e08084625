"""A reply's ledger as a page shows it: a strip under each ring's spectrogram, and what does not add up in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.measurement import LedgerEntry, LedgerKind, Turn

RATE_HZ = 48_000
PER_MS = 48
NARROWEST = 0.4  # percent: a loss takes no time where it was joined, and is still seen
WHERE = {"ear": "at the ear", "post_rtc": "at the second listener", "pre_rtc": "as published"}
SAYS: dict[LedgerKind, str] = {
    "lost": "{ms:.0f} ms of what was published are heard nowhere {where}",
    "foreign": "{ms:.0f} ms of sound {where} that was not published",
    "moved": "{ms:.0f} ms are heard out of their order {where}",
    "repeated": "{ms:.0f} ms are heard a second time {where}",
}
TITLES: dict[LedgerKind, str] = {
    "arrived": "arrived as published", "stretched": "stretched", "compressed": "shortened", "silence": "silence",
    "lost": "lost", "concealed": "made by WebRTC", "repeated": "heard again", "moved": "out of order",
    "foreign": "not published",
}  # fmt: skip
LEAST_MS = 15.0


@dataclass(frozen=True)
class Band:
    """A stretch of the strip, percent of its width. `kind` is its class in the style sheet."""

    left: str
    width: str
    kind: str
    text: str


def ledger_bands(entries: Sequence[LedgerEntry], zero: int, start_s: float, end_s: float) -> tuple[Band, ...]:
    """The entries within the cut, on the ring's own time. `zero`: the ring's sample at time 0."""
    bands = []
    for entry in entries:
        first, last = ((at - zero) / RATE_HZ for at in entry.heard)
        if entry.kind == "silence" or last < start_s or first > end_s:
            continue
        a, b = max(first, start_s), min(last, end_s)
        width = max(NARROWEST, 100 * (b - a) / (end_s - start_s))
        left = min(100 * (a - start_s) / (end_s - start_s), 100 - width)
        bands.append(Band(f"{left:.3f}", f"{width:.3f}", _kind(entry), _title(entry)))
    return tuple(sorted(bands, key=lambda band: band.kind in ("lost", "foreign")))  # what is wrong lies on top


def _kind(entry: LedgerEntry) -> str:
    return "concealed" if entry.explained else entry.kind


def _title(entry: LedgerEntry) -> str:
    length_ms = max(entry.published[1] - entry.published[0], entry.heard[1] - entry.heard[0]) / PER_MS
    explained = ", as WebRTC's counters say" if entry.explained else ""
    detail = f" ({entry.detail})" if entry.detail else ""
    return f"{TITLES[entry.kind]}, {length_ms:.0f} ms{explained}{detail}"


def ledger_words(turn: Turn) -> str:
    """ "780 ms of sound at the ear that was not published"; the largest of each kind and ring; "" where all adds up."""
    said = []
    for ring, entries in sorted(turn.ledger.items()):
        for kind, text in SAYS.items():
            found = [e for e in entries if e.kind == kind and not e.explained and e.sound_ms >= LEAST_MS]
            if not found:
                continue
            worst = max(found, key=lambda entry: entry.sound_ms)
            words = text.format(ms=sum(e.sound_ms for e in found), where=WHERE.get(ring, ring))
            said.append(f"{words} ({worst.detail})" if worst.detail else words)
    return ", ".join(said)
