"""When an agent's packets stopped, from the page's own counters: WebRTC tells of a silent death only seconds later. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

LEAST_PER_S = 10.0  # of an agent that sends all the time; one that sends only while it speaks shows nothing by stopping


def stopped_ms(stats: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """(after, by): between which readings the last packet came, in the host's monotonic ms; None where packets still come, or
    never came all the time. `stats`: readings of getStats(), about once a second.
    """
    totals = _totals(stats)
    began = [reading for reading in totals if reading[1] > 0]
    if len(began) < 3 or began[-1][1] > began[-2][1]:
        return None
    last = next(index for index, (_, packets) in enumerate(began) if packets == began[-1][1])
    for (from_ms, before), (to_ms, after) in pairwise(began[:last]):
        if after - before < LEAST_PER_S * (to_ms - from_ms) / 1e3:
            return None
    return (began[last - 1][0], began[last][0]) if last > 0 else None


def _totals(stats: Sequence[Mapping[str, Any]]) -> list[tuple[float, int]]:
    """(t_mono_ms, packets since the call began). A connection that the page has closed counts on with what came over it."""
    streams: dict[tuple[Any, Any], int] = {}
    totals = []
    for line in stats:
        for report in line["reports"]:
            if report.get("type") == "inbound-rtp" and report.get("kind") == "audio":
                streams[report.get("pc"), report.get("id")] = int(report.get("packetsReceived", 0))
        totals.append((float(line["t_mono_ms"]), sum(streams.values())))
    return totals
