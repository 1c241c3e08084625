"""What a network profile does to the verdict: what it allows a latency, what it may cost, and that it was applied at all.

The rule is H-147: a latency over the round trip may take longer by twice the delay and twice the jitter (each direction
once); holes and lost edges fail a case only where the profile impairs nothing, and warn elsewhere. A profile that was
not proven to have been applied is NOT_APPLIED, which is no pass.
"""

from __future__ import annotations

from dataclasses import replace

from harness.judge.limits import allow
from harness.judge.table import Gate
from harness.model.measurement import Measurement
from harness.model.status import Status

APPLIED, ALLOWANCE, IMPAIRED = "netem_actually_applied", "network_allowance_ms", "network_impaired"
SHARE = {"": 0.0, "one way": 0.5, "round trip": 1.0}  # of what a network allows a round trip


def on_network(gate: Gate, measurement: Measurement | None) -> Gate:
    """The row as it judges this capture."""
    metrics = measurement.metrics if measurement is not None else {}
    allowance, impaired = metrics.get(ALLOWANCE), metrics.get(IMPAIRED)
    if allowance is not None and allowance.value:
        more_ms = SHARE[gate.delayed] * allowance.value
        # for shipped limits the report names the allowance once, beside the network
        allowed = replace(gate, threshold=gate.threshold + more_ms)
        gate = allow(gate, more_ms, "network") if more_ms and gate.whose else allowed
    if impaired is not None and impaired.value and gate.networks_own:
        gate = replace(gate, blocking=False)
    return gate


def network_status(measurement: Measurement | None) -> tuple[Status, str]:
    """Whether the profile was applied; PASS where there was none to apply."""
    applied = measurement.metrics.get(APPLIED) if measurement is not None else None
    if applied is None or applied.value:
        return Status.PASS, ""
    return Status.NOT_APPLIED, f"the network profile was not proven to have been applied: {applied.reason}"
