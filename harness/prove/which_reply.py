"""Which reply of a call a fault was done to: the fault's replies and the measured ones are matched by time.

The two counts differ: the fault counts a reply that ran dry for long as two, and one restarted at once as one. Times
are in ms; the fault's stream and the recording differ by what the publisher flushed, a little more with each reply, and by
where the recording began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from harness.prove.stream import Applied

Key = TypeVar("Key", int, float)
APART_MS = 250.0  # further from its expected place, it is another reply


def by_reply(applied: Sequence[Applied], starts_ms: Mapping[int, float | None]) -> dict[int, list[Applied]]:
    """Measured reply (key of `starts_ms`: where it begins in the recording) → what was done to it.

    The offset that pairs the most replies counts, and is followed from pair to pair. A reply without a counterpart is
    left out: nobody knows what was done to it. A log without times goes by count.
    """
    if any(item.start_ms is None for item in applied):
        return _grouped((seq, item) for n, seq in enumerate(sorted(starts_ms)) for item in applied if item.reply == n)
    done = _grouped((item.start_ms or 0.0, item) for item in applied)
    known = {reply: start_ms for reply, start_ms in starts_ms.items() if start_ms is not None}
    found: dict[int, float] = {}
    for start_ms in done:
        for reply_ms in known.values():
            pairs = _pairs(sorted(done), known, reply_ms - start_ms)
            if len(pairs) > len(found):
                found = pairs
    return {reply: done[start_ms] for reply, start_ms in found.items()}


def _grouped(items: Iterable[tuple[Key, Applied]]) -> dict[Key, list[Applied]]:
    groups: dict[Key, list[Applied]] = {}
    for key, item in items:
        groups.setdefault(key, []).append(item)
    return groups


def _pairs(stream_ms: Sequence[float], starts_ms: Mapping[int, float], offset_ms: float) -> dict[int, float]:
    pairs: dict[int, float] = {}
    for reply, reply_ms in sorted(starts_ms.items(), key=lambda item: item[1]):
        nearest_ms = min(stream_ms, key=lambda ms: abs(ms + offset_ms - reply_ms))
        if abs(nearest_ms + offset_ms - reply_ms) <= APART_MS and nearest_ms not in pairs.values():
            pairs[reply], offset_ms = nearest_ms, reply_ms - nearest_ms
    return pairs
