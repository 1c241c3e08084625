"""What the report says of the network: the profile, what it allows, and for each attempt the figures that prove it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.judge.network import ALLOWANCE, APPLIED, IMPAIRED
from harness.judge.numbers import show
from harness.model.measurement import Metric
from harness.model.verdict import Summary
from reports.view.markdown import plain

HEADINGS = (
    "attempt", "applied", "round trip: log / echo / WebRTC", "delay up / down", "lost up / down", "jitter: log / WebRTC",
    "relay late, P99", "recovery after an outage",
)  # fmt: skip


@dataclass(frozen=True)
class NetworkView:
    """`rows`: a cell a column of HEADINGS; `proofs`: (attempt, the three figures in words)."""

    what: str
    allows: str
    rows: tuple[tuple[str, ...], ...]
    proofs: tuple[tuple[str, str], ...]


def network_view(summary: Summary, *, text: Callable[[object], str] = plain, strong: str = "**") -> NetworkView | None:
    """None where no link stood between the user and the media server. `text`, `strong`: the format's own."""
    measured = [
        attempt.measurement
        for case in summary.cases
        for attempt in case.attempts
        if attempt.measurement is not None and APPLIED in attempt.measurement.metrics
    ]
    if not measured:
        return None
    known = next((m.metrics for m in measured if IMPAIRED in m.metrics), {})
    impaired, allowance = known.get(IMPAIRED), known.get(ALLOWANCE)
    allows = ""
    if allowance is not None and allowance.value is not None:
        holes = "fail a case" if impaired is not None and not impaired.value else "warn"
        longer = (
            f"may take {show(allowance.value, 'ms')} longer"
            if allowance.value
            else "have the limits of a clean network"
        )
        allows = f"Latencies over the round trip {longer}; holes {holes}."
    return NetworkView(
        what=text(impaired.reason) if impaired is not None else "",
        allows=allows,
        rows=tuple((text(m.trace_id), *_cells(m.metrics, strong)) for m in measured),
        proofs=tuple((text(m.trace_id), text(m.metrics[APPLIED].reason)) for m in measured),
    )


def _cells(metrics: Mapping[str, Metric], strong: str) -> tuple[str, ...]:
    def cell(name: str, unit: str = "ms") -> str:
        metric = metrics.get(name)
        return show(metric.value, unit) if metric is not None else "–"

    applied = metrics[APPLIED]
    return (
        "yes" if applied.value else f"{strong}NOT APPLIED{strong}",
        f"{cell('network_rtt_log_ms')} / {cell('network_rtt_echo_ms')} / {cell('network_rtt_webrtc_ms')}",
        f"{cell('network_delay_up_ms')} / {cell('network_delay_down_ms')}",
        f"{cell('network_loss_up_ratio', 'share')} / {cell('network_loss_down_ratio', 'share')}",
        f"{cell('network_jitter_log_ms')} / {cell('network_jitter_webrtc_ms')}",
        cell("network_lateness_p99_ms"),
        cell("recovery_ms"),
    )
