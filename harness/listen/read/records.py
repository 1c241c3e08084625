"""Make the metrics of a Measurement: a number with its unit, or the reason why there is none.

Numbers are rounded where they are written, far below their precision, so that one folder gives one record to the byte on
any machine.
"""

from __future__ import annotations

from harness.model.measurement import Metric

DECIMALS = {
    "ms": 3,
    "dB": 3,
    "ppm": 1,
    "ratio": 6,
    "count": 0,
    "bool": 0,
    "samples": 0,
    "MOS": 2,
    "Hz": 0,
    "cents": 1,
    "dBFS": 2,
    "LUFS": 2,
    "kbps": 2,
    "per_s": 2,
}


def number(
    value: float, unit: str, *, reason: str = "", uncertainty: float | None = None, invalid: bool = False
) -> Metric:
    digits = DECIMALS[unit]
    rounded = round(float(value), digits) + 0.0  # + 0.0: no minus zero
    return Metric(value=rounded, unit=unit, reason=reason, uncertainty=uncertainty, invalid=invalid)


def no_number(unit: str, reason: str) -> Metric:
    """The number should exist, but does not; its gate has no data."""
    return Metric(value=None, unit=unit, reason=reason)


def not_applicable(unit: str, reason: str) -> Metric:
    """Excluded, since the lane or the agent as declared cannot give it."""
    return Metric(value=None, unit=unit, reason=reason, not_applicable=True)


def disbelieved(metric: Metric, reason: str) -> Metric:
    """The same number, marked as not to be believed; a metric without a number stays as it is."""
    if metric.value is None:
        return metric
    return metric.model_copy(update={"invalid": True, "reason": "; ".join(filter(None, [metric.reason, reason]))})
