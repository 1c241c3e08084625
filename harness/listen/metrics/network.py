"""What the network really was: whether the profile was applied, with its three figures, and how late the link itself was.

The proof is `harness.listen.network_proof.applied`; here it becomes metrics of the call and of its turns. A turn in which
the relay was late by itself (99th percentile above LATE_MS) is not to be believed: its latency is ours, not the network's.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.metrics.transport import far_ends_of, snapshots_of
from harness.listen.network_proof.applied import LATE_MS, Proof, Reading, lateness_p99_ms, prove, uplink_jitter_ms
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.reading import Capture
from harness.listen.read.records import disbelieved, no_number, number
from harness.model.capture import LINK, LINK_LOG
from harness.model.measurement import Metric
from harness.network.log import DELIVERED, Row, Way

APPLIED = "netem_actually_applied"
ALLOWANCE = "network_allowance_ms"
IMPAIRED = "network_impaired"
LATENESS = "network_lateness_p99_ms"
WAYS: dict[Way, str] = {"up": "up", "down": "down"}


def network_metrics(heard: Capture) -> dict[str, Metric]:
    """The call's metrics; empty where nothing stood between the user and the media server."""
    if heard.manifest.link == "none":
        return {}
    record = heard.link
    if record is None:
        reason = heard.missing.get(LINK, f"{LINK} is missing")
        return {APPLIED: number(0, "bool", reason=f"not proven: {reason}")}
    proof = prove(record, heard.packets, _readings(heard))
    log_missing = heard.missing.get(LINK_LOG)
    in_words = proof.in_words() + (f"; {log_missing}" if log_missing else "")
    return {
        APPLIED: number(float(proof.applied), "bool", reason=in_words),
        ALLOWANCE: number(record.profile.allowance_ms, "ms", reason="each direction's delay and jitter, once"),
        IMPAIRED: number(float(record.profile.impairs), "bool", reason=record.profile.describe()),
        **_numbers(proof),
        **_uplink(heard),
    }


def _numbers(proof: Proof) -> dict[str, Metric]:
    found = proof.numbers
    metrics: dict[str, Metric] = {}
    for way, name in WAYS.items():
        metrics[f"network_delay_{name}_ms"] = _or_none(found.delay_ms.get(way), "ms")
        metrics[f"network_queued_{name}_ms"] = _or_none(found.queued_ms.get(way), "ms")
        metrics[f"network_loss_{name}_ratio"] = _or_none(found.loss.get(way), "ratio")
    metrics["network_rtt_log_ms"] = _or_none(found.rtt_log_ms, "ms")
    metrics["network_rtt_echo_ms"] = _or_none(found.rtt_echo_ms, "ms")
    metrics["network_rtt_webrtc_ms"] = _or_none(found.rtt_webrtc_ms, "ms")
    metrics["network_jitter_log_ms"] = _or_none(found.jitter_log_ms, "ms")
    metrics["network_jitter_webrtc_ms"] = _or_none(found.jitter_webrtc_ms, "ms")
    metrics[LATENESS] = _or_none(found.lateness_p99_ms, "ms")
    return metrics


def _uplink(heard: Capture) -> dict[str, Metric]:
    """Jitter of the user's own audio as the media server reports it, beside the log. Shown, not a part of the proof:
    how often and by which clock a server reports is its own affair.
    """
    readings = [
        Reading(r.t_mono_ms, r.rtt_ms, r.jitter_ms, None, r.lost, f"{int(r.source):08x}" if r.source.isdigit() else "")
        for r in far_ends_of(heard)
    ]
    found = uplink_jitter_ms(heard.packets, readings)
    theirs, ours = found if found is not None else (None, None)
    return {
        "network_jitter_up_log_ms": _or_none(ours, "ms"),
        "network_jitter_up_webrtc_ms": _or_none(theirs, "ms"),
    }


def _or_none(value: float | None, unit: str) -> Metric:
    return number(value, unit) if value is not None else no_number(unit, "too little came through the link to tell")


def _readings(heard: Capture) -> list[Reading]:
    """Readings of the stream with the most packets: the agent's voice."""
    snapshots = snapshots_of(heard)
    totals: dict[str, float] = {}
    for snapshot in snapshots:
        totals |= {name: counters.packets_received for name, counters in snapshot.streams.items()}
    main = max(totals, key=lambda name: totals[name], default="")
    ssrc = main.rpartition("/")[2]
    readings = []
    for snapshot in snapshots:
        counters = snapshot.streams.get(main)
        readings.append(
            Reading(
                t_mono_ms=snapshot.t_mono_ms,
                rtt_ms=snapshot.rtt_ms,
                jitter_ms=snapshot.jitter_ms if counters is not None else None,
                received=counters.packets_received if counters is not None else None,
                lost=counters.packets_lost if counters is not None else None,
                source=f"{int(ssrc):08x}" if ssrc.isdigit() else "",
            )
        )
    return readings


def on_the_network(scene: Scene, turn: TurnHeard, metrics: dict[str, Metric]) -> dict[str, Metric]:
    """A turn's metrics with the lateness and loss of the link in it; none is believed where the link was too late."""
    packets = scene.capture.packets
    if scene.capture.manifest.link == "none" or not packets:
        return metrics
    within = _within(scene, turn, packets)
    late_ms = lateness_p99_ms(within)
    if late_ms is None:
        return metrics | {LATENESS: no_number("ms", "no packet of the log falls into this turn")}
    lost = sum(row.fate not in DELIVERED for row in within)
    own = {LATENESS: number(late_ms, "ms"), "network_lost": number(lost, "count", reason=f"of {len(within)} packets")}
    if late_ms > LATE_MS:
        why = f"the link itself was {late_ms:.1f} ms late (P99) in this turn: the host was too busy for it"
        metrics = {name: disbelieved(metric, why) for name, metric in metrics.items()}
    return metrics | own


def _within(scene: Scene, turn: TurnHeard, packets: Sequence[Row]) -> list[Row]:
    """The packets from the user's last word (or the reply's first sound) to the reply's last sound."""
    ring = scene.primary
    heard, answer = turn.heard.get(ring), turn.answers.get(ring)
    if heard is None:
        return []
    begin = min(answer.turn.end, heard.start) if answer is not None else float(heard.start)
    start, end = scene.clocks.mono_ms(ring, begin), scene.clocks.mono_ms(ring, heard.end)
    if start is None or end is None:
        return []
    return [row for row in packets if start <= row.arrived_ms <= end]
