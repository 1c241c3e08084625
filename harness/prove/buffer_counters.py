"""WebRTC's own account of the jitter buffer over a span of a call, from rtc_stats.jsonl. Pure but for reading the file.

Lines come about once a second, so a span is bracketed: from the last line before it to the first one after it. Browser
reports are flat (camelCase), those of the second listener nested (snake_case); both are read. Times: host's clock, ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model.capture import RTC_STATS

RATE_HZ = 48_000


@dataclass(frozen=True)
class CounterLine:
    """Counters of all inbound audio since the call began: samples, but `delay_s` is seconds summed over emitted ones."""

    t_mono_ms: float
    delay_s: float
    emitted: float
    inserted: float
    removed: float
    concealed: float


@dataclass(frozen=True)
class BufferCounters:
    """In order of time."""

    lines: tuple[CounterLine, ...]

    def _around(self, start_ms: float, end_ms: float) -> tuple[CounterLine, CounterLine] | None:
        before = [line for line in self.lines if line.t_mono_ms <= start_ms]
        after = [line for line in self.lines if line.t_mono_ms >= end_ms]
        return (before[-1], after[0]) if before and after else None

    def changed(self, start_ms: float, end_ms: float) -> bool | None:
        """Whether samples were inserted, removed or concealed; None if the span is not covered."""
        found = self._around(start_ms, end_ms)
        if found is None:
            return None
        a, b = found
        return (a.inserted, a.removed, a.concealed) != (b.inserted, b.removed, b.concealed)

    def mean_delay_ms(self, start_ms: float, end_ms: float) -> float | None:
        found = self._around(start_ms, end_ms)
        if found is None or found[1].emitted <= found[0].emitted:
            return None
        return 1e3 * (found[1].delay_s - found[0].delay_s) / (found[1].emitted - found[0].emitted)


def read_counters(folder: Path) -> BufferCounters:
    """Empty if there are no statistics."""
    path = folder / RTC_STATS
    if not path.is_file():
        return BufferCounters(())
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # a torn last line
            continue
        counters = _counters(float(row["t_mono_ms"]), row.get("reports", []))
        if counters is not None:
            found.append(counters)
    return BufferCounters(tuple(sorted(found, key=lambda c: c.t_mono_ms)))


def _counters(t_mono_ms: float, reports: Iterable[dict[str, Any]]) -> CounterLine | None:
    audio = [r for r in reports if r.get("type") == "inbound-rtp" and r.get("kind") == "audio"]
    if audio:
        names = ("jitterBufferDelay", "jitterBufferEmittedCount", "insertedSamplesForDeceleration",
                 "removedSamplesForAcceleration", "concealedSamples")  # fmt: skip
    else:
        audio = [r["inbound_rtp"].get("inbound", {}) for r in reports if "inbound_rtp" in r]
        names = ("jitter_buffer_delay", "jitter_buffer_emitted_count", "inserted_samples_for_deceleration",
                 "removed_samples_for_acceleration", "concealed_samples")  # fmt: skip
    if not audio:
        return None
    delay, emitted, inserted, removed, concealed = (sum(float(r.get(name, 0)) for r in audio) for name in names)
    return CounterLine(t_mono_ms, delay, emitted, inserted, removed, concealed)
