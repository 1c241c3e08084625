"""Whether what a sweep asked of the agent's encoder was on the wire. Pure; limits are measured ones (docs/how_to/sweeps.md).

An encoder that is asked for a bit rate may use less where there is little to say; DTX stops packets in silence but for one
every 400 ms; RED sends a packet's audio again with the next ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.numbers import show
from harness.listen.metrics.wire import KBPS, PER_S, SILENT_PER_S
from harness.model.measurement import Measurement, Metric

DEFAULT_KBPS = 64.0  # what the reference agent publishes at (runtime.settings)
OF_THE_RATE = (0.85, 1.15)  # Opus varies its rate around what it is asked for; measured: 0.99 to 1.08
RED_FROM = 1.5  # of the rate: the same audio at least once more in every other packet
DTX_BELOW = 0.5  # of the packets while speaking


@dataclass(frozen=True)
class OnTheWire:
    """`ok` None: not to be told from this call. `what`: the figure that says so."""

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
            return OnTheWire(low <= kbps <= high, f"{show(kbps, 'kbit/s')} on the wire")
        case "red":
            if kbps is None:
                return OnTheWire(None, _why(measurement, KBPS))
            twice = kbps >= RED_FROM * DEFAULT_KBPS
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


def _metric(measurement: Measurement, name: str) -> Metric | None:
    return measurement.metrics.get(name)


def _value(measurement: Measurement, name: str) -> float | None:
    metric = _metric(measurement, name)
    return metric.value if metric is not None else None


def _why(measurement: Measurement, name: str) -> str:
    metric = _metric(measurement, name)
    return metric.reason if metric is not None else f"{name} was not measured: there was no link"
