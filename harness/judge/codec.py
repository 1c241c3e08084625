"""Whether the agent's encoder sent what a sweep asked of it. Pure; the limits were measured (docs/how_to/sweeps.md).

An encoder may stay below the requested bit rate where there is little to encode; in silence DTX sends only one packet every
400 ms; RED sends a packet's audio again with the next ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.numbers import show
from harness.listen.metrics.wire import KBPS, PER_S, SILENT_PER_S
from harness.model.measurement import Measurement, Metric

DEFAULT_KBPS = 64.0  # the reference agent's bit rate (runtime.settings)
OF_THE_RATE = (0.85, 1.15)  # Opus varies around the requested rate; measured: 0.99 to 1.08
RED_FROM = 1.5  # of the rate: at least every other packet repeats earlier audio
PACKETS_PER_S = 50.0  # 20 ms each; an agent that waits for a processor sends fewer, and none of them is smaller
DTX_BELOW = 0.5  # of the packets while speaking


@dataclass(frozen=True)
class OnTheWire:
    """`ok`: None where this call does not show it. `what`: the figure that shows it."""

    ok: bool | None
    what: str


def codec_applied(parameter: str, value: float, measurement: Measurement) -> OnTheWire:
    """`parameter`: bitrate (kbit/s), dtx, red (0 off, 1 on)."""
    kbps, speaking, silent = (_value(measurement, name) for name in (KBPS, PER_S, SILENT_PER_S))
    match parameter:
        case "bitrate":
            if kbps is None:
                return OnTheWire(None, _why(measurement, KBPS))
            low, high = (share * value for share in OF_THE_RATE)
            return OnTheWire(low <= _encoded(kbps, speaking) <= high, f"{show(kbps, 'kbit/s')} on the wire")
        case "red":
            if kbps is None:
                return OnTheWire(None, _why(measurement, KBPS))
            twice = _encoded(kbps, speaking) >= RED_FROM * DEFAULT_KBPS
            return OnTheWire(
                twice == bool(value), f"{show(kbps, 'kbit/s')} on the wire, of {DEFAULT_KBPS:g} without RED"
            )
        case "dtx":
            if silent is None or not speaking:
                return OnTheWire(None, _why(measurement, SILENT_PER_S))
            fewer = silent < DTX_BELOW * speaking
            return OnTheWire(
                fewer == bool(value), f"{show(silent, 'packets/s')} in silence, {show(speaking, 'packets/s')} in speech"
            )
    raise ValueError(f"no codec parameter {parameter!r}")


def _encoded(kbps: float, packets_per_s: float | None) -> float:
    """What the encoder made of each second of voice."""
    return kbps * PACKETS_PER_S / packets_per_s if packets_per_s and packets_per_s < PACKETS_PER_S else kbps


def _metric(measurement: Measurement, name: str) -> Metric | None:
    return measurement.metrics.get(name)


def _value(measurement: Measurement, name: str) -> float | None:
    metric = _metric(measurement, name)
    return metric.value if metric is not None else None


def _why(measurement: Measurement, name: str) -> str:
    metric = _metric(measurement, name)
    return metric.reason if metric is not None else f"{name} was not measured: there was no link"
