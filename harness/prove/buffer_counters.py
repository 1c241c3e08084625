"""WebRTC's own counters of a call: the jitter buffer and the way to the server, from rtc_stats.jsonl.

Pure but for reading the file. Lines come about once a second, so a span is bracketed: from the last line before it to the
first one after it. Browser reports are flat (camelCase), those of the second listener nested (snake_case); both are
read. Times: host's clock, ms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model.capture import RTC_STATS
from harness.model.json_lines import lines_of

FLAT_NAMES = (
    "jitterBufferDelay", "jitterBufferEmittedCount", "insertedSamplesForDeceleration", "removedSamplesForAcceleration",
    "concealedSamples", "currentRoundTripTime",
)  # fmt: skip
NESTED_NAMES = (
    "jitter_buffer_delay", "jitter_buffer_emitted_count", "inserted_samples_for_deceleration",
    "removed_samples_for_acceleration", "concealed_samples", "current_round_trip_time",
)  # fmt: skip


@dataclass(frozen=True)
class CounterLine:
    """Counters of all inbound audio since the call began: samples, but `delay_s` is seconds summed over emitted ones."""

    t_mono_ms: float
    delay_s: float
    emitted: float
    inserted: float
    removed: float
    concealed: float
    round_trip_s: float | None = None  # to the media server, as ICE last measured it


@dataclass(frozen=True)
class BufferCounters:
    """Counter lines by time."""

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

    def round_trip_ms(self, start_ms: float, end_ms: float) -> float | None:
        found = self._around(start_ms, end_ms)
        known = [line.round_trip_s for line in found or () if line.round_trip_s is not None]
        return 1e3 * sum(known) / len(known) if known else None


def mean_buffer_ms(reports: Iterable[dict[str, Any]]) -> float | None:
    """The jitter buffer's mean delay since the call began, from one set of reports."""
    counters = _counters(0.0, reports)
    return 1e3 * counters.delay_s / counters.emitted if counters is not None and counters.emitted > 0 else None


def read_counters(folder: Path) -> BufferCounters:
    """Empty if there are no statistics."""
    path = folder / RTC_STATS
    if not path.is_file():
        return BufferCounters(())
    found = []
    for line in lines_of(path.read_text(encoding="utf-8")):
        try:
            row = json.loads(line)
        except ValueError:  # a torn last line
            continue
        counters = _counters(float(row["t_mono_ms"]), row.get("reports", []))
        if counters is not None:
            found.append(counters)
    return BufferCounters(tuple(sorted(found, key=lambda c: c.t_mono_ms)))


def _counters(t_mono_ms: float, reports: Iterable[dict[str, Any]]) -> CounterLine | None:
    reports = list(reports)
    audio = [r for r in reports if r.get("type") == "inbound-rtp" and r.get("kind") == "audio"]
    pairs = [r for r in reports if r.get("type") == "candidate-pair" and r.get("nominated")]
    names = FLAT_NAMES
    if not audio:
        audio = [r["inbound_rtp"].get("inbound", {}) for r in reports if "inbound_rtp" in r]
        nested = [r["candidate_pair"].get("candidate_pair", {}) for r in reports if "candidate_pair" in r]
        pairs = [pair for pair in nested if pair.get("nominated")]
        names = NESTED_NAMES
    if not audio:
        return None
    delay_s, emitted, inserted, removed, concealed = (sum(float(r.get(name, 0)) for r in audio) for name in names[:5])
    trips = [float(pair[names[5]]) for pair in pairs if names[5] in pair]
    return CounterLine(t_mono_ms, delay_s, emitted, inserted, removed, concealed, max(trips, default=None))
