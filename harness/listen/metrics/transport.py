"""WebRTC's own statistics of a reply's way: loss, jitter, RTT, concealment, stretching, jitter-buffer delay.

Counters of the primary listener (the browser's getStats(), the probe's track statistics) are read once a second; a
reply is judged by the difference of the last reading before it and the first after it, so the window is up to two
seconds longer than the reply and every number says what it covers. Samples are at 48 kHz. The delay track found in the
recordings must agree with what the jitter buffer says it did: spec/metrics.md (c), cross-check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from harness.listen.ledger.explained import Counted
from harness.listen.metrics.latency import NO_EAR
from harness.listen.place.replies import SAMPLES_PER_MS, HeardReply
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.reading import Capture, StatsLine
from harness.listen.read.records import no_number, not_applicable, number
from harness.model import capture
from harness.model.measurement import Metric

UNITS = {
    "packets_lost": "count",
    "concealment_events": "count",
    "concealed_ratio": "ratio",
    "silent_concealed_ratio": "ratio",
    "rtp_jitter_ms": "ms",
    "rtt_ms": "ms",
    "jitter_buffer_delay_ms": "ms",
    "decelerated_ms": "ms",
    "accelerated_ms": "ms",
    "stats_vs_track_ms": "ms",
}
MOVES = ("accelerated_ms", "decelerated_ms", "concealed_ratio")
RECORDINGS_ONLY = "recordings alone have no WebRTC statistics"
NO_AGENT_TRACK = "no remote WebRTC track brought the agent: the page plays it by other means"


@dataclass(frozen=True)
class Counters:
    """Totals of one inbound audio stream since it began."""

    packets_received: float = 0.0
    packets_lost: float = 0.0
    concealed: float = 0.0
    silent_concealed: float = 0.0
    concealment_events: float = 0.0
    inserted: float = 0.0
    removed: float = 0.0
    delay_s: float = 0.0  # summed over the samples emitted
    emitted: float = 0.0
    total: float = 0.0
    bytes_received: float = 0.0  # payload

    def since(self, before: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(self)))

    def plus(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


# where a counter stands in a report, camelCase as in the browser; livekit has the same in snake_case
NAMES = {
    "packets_received": "packetsReceived",
    "packets_lost": "packetsLost",
    "concealed": "concealedSamples",
    "silent_concealed": "silentConcealedSamples",
    "concealment_events": "concealmentEvents",
    "inserted": "insertedSamplesForDeceleration",
    "removed": "removedSamplesForAcceleration",
    "delay_s": "jitterBufferDelay",
    "emitted": "jitterBufferEmittedCount",
    "total": "totalSamplesReceived",
    "bytes_received": "bytesReceived",
}


@dataclass(frozen=True)
class Snapshot:
    """One reading: counters by stream, and the gauges."""

    t_mono_ms: float
    streams: Mapping[str, Counters]
    jitter_ms: float | None
    rtt_ms: float | None


def transport_metrics(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """All metrics of UNITS for one reply, at the primary listener."""
    manifest, ring = scene.capture.manifest, scene.primary
    if manifest.source == "recordings":
        return {name: not_applicable(unit, RECORDINGS_ONLY) for name, unit in UNITS.items()}
    if ring == "ear" and manifest.lane == "bot":
        return {name: not_applicable(unit, NO_EAR) for name, unit in UNITS.items()}
    if not manifest.page.agent_track:
        return {name: not_applicable(unit, NO_AGENT_TRACK) for name, unit in UNITS.items()}
    heard = turn.heard.get(ring)
    window = _window_of(scene, heard)
    if isinstance(window, str):
        return {name: no_number(unit, window) for name, unit in UNITS.items()}
    assert heard is not None
    return _numbers(window, heard)


@dataclass(frozen=True)
class Window:
    """The readings from the last before a reply to the first after it, and what that covers."""

    snapshots: Sequence[Snapshot]
    counted: Counters
    covers: str


def counted_over(scene: Scene, turn: TurnHeard) -> Counted | None:
    """What the primary listener's jitter buffer says of the reply's stretch; None without statistics."""
    window = _window_of(scene, turn.heard.get(scene.primary))
    if isinstance(window, str):
        return None
    counted = window.counted
    return Counted(
        concealed_ms=max(0.0, counted.concealed - counted.silent_concealed) / SAMPLES_PER_MS,
        removed_ms=counted.removed / SAMPLES_PER_MS,
        inserted_ms=counted.inserted / SAMPLES_PER_MS,
    )


def snapshots_of(heard: Capture) -> list[Snapshot]:
    """The whole call's readings, in order."""
    return [_snapshot(line) for line in sorted(heard.stats, key=lambda line: line.t_mono_ms)]


def _window_of(scene: Scene, heard: HeardReply | None) -> Window | str:
    """The window, or why there is none."""
    ring = scene.primary
    if not scene.capture.stats:
        return scene.capture.why_missing(capture.RTC_STATS)
    if heard is None:
        return f"the reply is not heard in {ring}.wav"
    start, end = scene.clocks.mono_ms(ring, heard.start), scene.clocks.mono_ms(ring, heard.end)
    if start is None or end is None:
        return f"the manifest has no timeline for {ring}.wav"
    snapshots = snapshots_of(scene.capture)
    before = [n for n, s in enumerate(snapshots) if s.t_mono_ms <= start and s.streams]
    after = [n for n, s in enumerate(snapshots) if s.t_mono_ms >= end]
    if not before:
        return "there are no statistics of the agent's track from before the reply"
    last = after[0] if after else len(snapshots) - 1
    inside = snapshots[before[-1] : last + 1]
    if len(inside) < 2:
        return "there are no statistics from after the reply began"
    counted = _counted(inside[0], inside[-1])
    if counted is None:
        return "the agent's track was replaced during the reply"
    ahead_ms, behind_ms = start - inside[0].t_mono_ms, inside[-1].t_mono_ms - end
    tail = f"to {behind_ms:.0f} ms after it" if behind_ms >= 0 else f"to {-behind_ms:.0f} ms before its end"
    return Window(inside, counted, f"read from {ahead_ms:.0f} ms before the reply {tail}")


def _counted(before: Snapshot, after: Snapshot) -> Counters | None:
    """What was counted between two readings; None where a stream ended meanwhile."""
    if not set(before.streams) <= set(after.streams):
        return None
    total = Counters()
    for name, counters in after.streams.items():
        total = total.plus(counters.since(before.streams.get(name, Counters())))
    return total


def _numbers(window: Window, heard: HeardReply) -> dict[str, Metric]:
    counted, covers = window.counted, window.covers
    metrics = {
        "packets_lost": number(counted.packets_lost, "count", reason=covers),
        "concealment_events": number(counted.concealment_events, "count", reason=covers),
        "decelerated_ms": number(counted.inserted / SAMPLES_PER_MS, "ms", reason=covers),
        "accelerated_ms": number(counted.removed / SAMPLES_PER_MS, "ms", reason=covers),
    }
    shares = {"concealed_ratio": counted.concealed, "silent_concealed_ratio": counted.silent_concealed}
    for name, part in shares.items():
        metrics[name] = (
            number(part / counted.total, "ratio", reason=covers)
            if counted.total > 0
            else no_number("ratio", "the jitter buffer gave out nothing: nobody played the track")
        )
    metrics["jitter_buffer_delay_ms"] = (
        number(1e3 * counted.delay_s / counted.emitted, "ms", reason=covers)
        if counted.emitted > 0
        else no_number("ms", "the jitter buffer gave out nothing: nobody played the track")
    )
    gauges = {
        "rtp_jitter_ms": [s.jitter_ms for s in window.snapshots],
        "rtt_ms": [s.rtt_ms for s in window.snapshots],
    }
    for name, readings in gauges.items():
        known = [value for value in readings if value is not None]
        metrics[name] = (
            number(max(known), "ms", reason=f"the largest of {len(known)} readings")
            if known
            else no_number("ms", "the statistics do not say")
        )
    metrics["stats_vs_track_ms"] = _cross_check(window, heard)
    return metrics


def _cross_check(window: Window, heard: HeardReply) -> Metric:
    """Steps of the delay track in the recording minus what the jitter buffer says it put in and took out."""
    if heard.track is None:
        return no_number("ms", "the reply is not aligned with pre_rtc.wav, so its delay has no course")
    counted = window.counted
    said_ms = (counted.inserted - counted.removed + counted.concealed) / SAMPLES_PER_MS
    steps_ms = float(heard.track.steps_ms().sum())
    in_words = f"steps of {steps_ms:.1f} ms in the recording, {said_ms:.1f} ms by the statistics, {window.covers}"
    return number(steps_ms - said_ms, "ms", reason=in_words)


# the two shapes of statistics


def _snapshot(line: StatsLine) -> Snapshot:
    streams: dict[str, Counters] = {}
    jitters: list[float] = []
    for name, report in _inbound(line.reports):
        streams[name] = Counters(**{field: _number(report, key) or 0.0 for field, key in NAMES.items()})
        jitter_s = _number(report, "jitter")
        if jitter_s is not None:
            jitters.append(1e3 * jitter_s)
    rtts = [1e3 * rtt for rtt in _round_trips(line.reports) if rtt is not None]
    return Snapshot(line.t_mono_ms, streams, max(jitters, default=None), max(rtts, default=None))


def _inbound(reports: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(stream, its counters) of all inbound audio."""
    for report in reports:
        if report.get("type") == "inbound-rtp" and report.get("kind") == "audio":
            yield f"{report.get('pc')}/{report.get('id')}/{report.get('ssrc')}", report
        inbound = report.get("inbound_rtp")
        if isinstance(inbound, dict) and inbound.get("stream", {}).get("kind", "audio") == "audio":
            stream = inbound.get("stream", {})
            yield str(stream.get("ssrc")), {**inbound.get("received", {}), **inbound.get("inbound", {})}


@dataclass(frozen=True)
class FarEnd:
    """What the media server reports of the audio that it received from the user (RTCP receiver reports)."""

    t_mono_ms: float
    source: str  # ssrc
    jitter_ms: float | None
    lost: float | None
    rtt_ms: float | None


def far_ends_of(heard: Capture) -> list[FarEnd]:
    """The whole call's reports on the user's own audio, in order."""
    found = []
    for line in sorted(heard.stats, key=lambda line: line.t_mono_ms):
        for report in line.reports:
            if report.get("type") == "remote-inbound-rtp" and report.get("kind") == "audio":
                found.append(_far_end(line.t_mono_ms, report))
            remote = report.get("remote_inbound_rtp")
            if isinstance(remote, dict) and remote.get("stream", {}).get("kind", "audio") == "audio":
                parts = (remote.get(name, {}) for name in ("stream", "received", "remote_inbound"))
                found.append(_far_end(line.t_mono_ms, {k: v for part in parts for k, v in part.items()}))
    return found


def _far_end(t_mono_ms: float, report: Mapping[str, Any]) -> FarEnd:
    jitter_s, rtt_s = _number(report, "jitter"), _number(report, "roundTripTime")
    return FarEnd(
        t_mono_ms=t_mono_ms,
        source=str(report.get("ssrc", "")),
        jitter_ms=None if jitter_s is None else 1e3 * jitter_s,
        lost=_number(report, "packetsLost"),
        rtt_ms=None if rtt_s is None else 1e3 * rtt_s,
    )


def _round_trips(reports: Sequence[Mapping[str, Any]]) -> Iterator[float | None]:
    """Seconds, for the address pairs in use by connections that receive audio."""
    receiving = {report.get("pc") for report in reports if report.get("type") == "inbound-rtp"}
    for report in reports:
        if report.get("type") == "candidate-pair" and report.get("nominated") and report.get("pc") in receiving:
            yield _number(report, "currentRoundTripTime")
        pair = report.get("candidate_pair")
        if isinstance(pair, dict) and pair.get("candidate_pair", {}).get("nominated"):
            yield _number(pair["candidate_pair"], "currentRoundTripTime")


def _number(report: Mapping[str, Any], name: str) -> float | None:
    """A number under its name in camelCase or snake_case; livekit writes 64-bit integers as text."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    value = report.get(name, report.get(snake))
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError):
        return None


def way_besides_buffer(metrics: Mapping[str, Metric]) -> Metric:
    """The way of a reply without what its jitter buffer held it: publisher, encoder, server, network, decoder.

    Known only while the buffer stands still: its delay is a mean over the readings, the lag that of the first sound.
    """
    parts = [metrics.get(name) for name in ("reply_lag_ms", "jitter_buffer_delay_ms")]
    lag, delay = parts
    if lag is None or delay is None:
        return no_number("ms", "WebRTC's statistics say nothing of the jitter buffer")
    for metric in sorted((lag, delay), key=lambda m: not m.not_applicable):
        if metric.value is None:
            return metric
    moved = [name for name in MOVES if (found := metrics.get(name)) is not None and (found.value or 0.0) > 0]
    if moved:
        return no_number("ms", f"the jitter buffer moved while it was read ({', '.join(moved)})")
    assert lag.value is not None
    assert delay.value is not None
    return number(lag.value - delay.value, "ms", reason=lag.reason, invalid=lag.invalid)
