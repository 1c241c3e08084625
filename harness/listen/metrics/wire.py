"""The agent's voice on the wire: its bit rate while it speaks, how many packets it sends while it is silent.

From the link's packet log (every packet as it arrives at the link, before the link acts on it) and WebRTC's own count of
payload bytes, which says how much of a packet is headers and encryption. Only the stream in the listener's statistics
counts: in the bot lane the user's own voice passes the same link. Metrics of the call; empty without a link.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.listen.metrics.transport import snapshots_of
from harness.listen.place.scene import Scene
from harness.listen.read.reading import Capture
from harness.listen.read.records import no_number, number
from harness.model.capture import LINK_LOG
from harness.model.measurement import Metric
from harness.network.log import DELIVERED, Row

KBPS, PER_S, SILENT_PER_S = "voice_kbps", "voice_packets_per_s", "silent_packets_per_s"
UNITS = {KBPS: "kbps", PER_S: "per_s", SILENT_PER_S: "per_s"}
EDGE_MS = 150.0  # of a reply, where the packet heard and the packet on the wire may differ
QUIET_FROM_MS = 700.0  # after a reply: by then its tail has been sent, and DTX has set in
LEAST_MS = 500.0
LEAST_SILENT_MS = 1_000.0


@dataclass(frozen=True)
class Span:
    """[start_ms, end_ms) on the host's clock, as it passes the link."""

    start_ms: float
    end_ms: float

    @property
    def ms(self) -> float:
        return self.end_ms - self.start_ms


def wire_metrics(scene: Scene) -> dict[str, Metric]:
    """KBPS, PER_S, SILENT_PER_S."""
    heard = scene.capture
    if heard.manifest.link == "none":
        return {}
    packets = [row for row in heard.packets if row.way == "down" and row.kind == "rtp"]
    voiced, silent = _spans(scene, packets)
    stream = _main_stream(heard, packets, voiced)
    if not stream:
        why = (
            heard.missing.get(LINK_LOG)
            or "no reply was heard long enough to tell its packets, or there are no statistics of its track"
        )
        return {name: no_number(unit, why) for name, unit in UNITS.items()}
    voice = [row for row in stream if any(span.start_ms <= row.arrived_ms < span.end_ms for span in voiced)]
    quiet = [row for row in stream if any(span.start_ms <= row.arrived_ms < span.end_ms for span in silent)]
    voiced_s, silent_s = (sum(span.ms for span in spans) / 1e3 for spans in (voiced, silent))
    return {
        KBPS: _bit_rate(heard, stream, voice, voiced_s),
        PER_S: number(len(voice) / voiced_s, "per_s"),
        SILENT_PER_S: number(len(quiet) / silent_s, "per_s", reason=f"in {silent_s:.1f} s of silence")
        if silent_s * 1e3 >= LEAST_SILENT_MS
        else no_number("per_s", f"the agent was silent for {silent_s:.1f} s only"),
    }


def _spans(scene: Scene, packets: Sequence[Row]) -> tuple[list[Span], list[Span]]:
    """(where the agent speaks, where it is silent), shifted back by the link's own delay."""
    if not packets:
        return [], []
    delays = [row.departed_ms - row.arrived_ms for row in packets if row.departed_ms is not None]
    way_ms = float(np.median(delays)) if delays else 0.0
    replies = [Span(start - way_ms, end - way_ms) for start, end in _heard(scene)]
    voiced = [Span(r.start_ms + EDGE_MS, r.end_ms - EDGE_MS) for r in replies]
    begin, end = packets[0].arrived_ms + QUIET_FROM_MS, max(row.arrived_ms for row in packets)
    silent = []
    for reply in [*replies, Span(end + QUIET_FROM_MS, end)]:
        silent.append(Span(begin, reply.start_ms - QUIET_FROM_MS))
        begin = reply.end_ms + QUIET_FROM_MS
    return [s for s in voiced if s.ms >= LEAST_MS], [s for s in silent if s.ms > 0]


def _heard(scene: Scene) -> Iterator[tuple[float, float]]:
    ring = scene.primary
    for reply in scene.heard.get(ring, []):
        start, end = scene.clocks.mono_ms(ring, reply.start), scene.clocks.mono_ms(ring, reply.end)
        if start is not None and end is not None:
            yield start, end


def _main_stream(heard: Capture, packets: Sequence[Row], voiced: Sequence[Span]) -> list[Row]:
    """The packets of the source that carries most while the agent is heard, among those in the listener's statistics."""
    sources = {name.rpartition("/")[2] for snapshot in snapshots_of(heard) for name in snapshot.streams}
    carried: dict[str, int] = {}
    for row in packets:
        if str(int(row.ident, 16)) in sources and any(span.start_ms <= row.arrived_ms < span.end_ms for span in voiced):
            carried[row.ident] = carried.get(row.ident, 0) + row.size_bytes
    main = max(carried, key=lambda ident: carried[ident], default=None)
    return [row for row in packets if row.ident == main]


def _bit_rate(heard: Capture, stream: Sequence[Row], voice: Sequence[Row], voiced_s: float) -> Metric:
    """Of the payload: the median packet at the rate at which packets come. A pause's small packets do not lower it."""
    overhead = _overhead_bytes(heard, stream)
    if overhead is None:
        return no_number("kbps", "WebRTC's statistics do not say how many payload bytes came")
    payload = float(np.median([row.size_bytes for row in voice])) - overhead
    return number(
        payload * 8 * len(voice) / voiced_s / 1e3, "kbps",
        reason=f"packets of {payload:.0f} bytes, {overhead:.0f} bytes of headers and encryption each not counted",
    )  # fmt: skip


def _overhead_bytes(heard: Capture, stream: Sequence[Row]) -> float | None:
    """A packet's bytes that are no payload: what passed the link less what WebRTC counted, by the last reading."""
    ssrc = str(int(stream[0].ident, 16))
    for snapshot in reversed(snapshots_of(heard)):
        counted = next((c for name, c in snapshot.streams.items() if name.rpartition("/")[2] == ssrc), None)
        if counted is None or counted.bytes_received < 1 or counted.packets_received < 1:
            continue
        came = [r for r in stream if r.fate in DELIVERED and (r.departed_ms or 0.0) <= snapshot.t_mono_ms]
        if not came:
            return None
        mean = sum(row.size_bytes for row in came) / len(came)
        return mean - counted.bytes_received / counted.packets_received
    return None
