"""One function that evaluates a row of the table of gates over a set of turns (H-70 to H-78, H-100 to H-108).

A gate takes one metric of each turn in its scope. Missing where it applies → NO_DATA; marked invalid → INVALID; nothing
left to judge because the capture's declared capability excludes it → NOT_APPLICABLE. Value 0 is a value. Below 20
turns a P95 gate judges the maximum and says so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judge.limits import limit_note, limited, loosens, of_case, on_path
from harness.judge.network import on_network
from harness.judge.numbers import show, show_limit
from harness.judge.statistics import ENOUGH_FOR_P95, distribution
from harness.judge.table import BY_ID, TABLE, Gate, Op
from harness.model.case import Case, Tier
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement, Metric
from harness.model.status import Status
from harness.model.verdict import GateResult

__all__ = [
    "BY_ID",
    "NOTHING_IN_SCOPE",
    "OPS",
    "TABLE",
    "Gate",
    "Sample",
    "check_overrides",
    "evaluate",
    "gate_of_run",
    "gates_for",
    "holds",
    "how_bad",
    "samples_of",
    "too_tight",
    "worst_ring",
]

OPS: dict[Op, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    ">=": operator.ge,
}


RESOLUTION_MS = 128 / 48  # of an onset in the browser: one render quantum
CLUSTER_MIN_N = 8
NOTHING_IN_SCOPE = "nothing in this run is in its scope"  # no case, or nothing was heard that it could judge


def gates_for(case: Case, measurement: Measurement | None = None, limits: Limits = SHIPPED) -> list[Gate]:
    """The rows that judge `case`, with the run's and its own limits and the allowances for `measurement`'s path and network."""
    rows = [of_case(limited(gate, limits), case) for gate in TABLE if gate.scope(case)]
    return [on_the_way(gate, measurement, limits) for gate in rows]


def gate_of_run(gate: Gate, measurement: Measurement | None, limits: Limits) -> Gate:
    """The row over all cases. `measurement`: any of the run's, for its path and network."""
    return on_the_way(limited(gate, limits), measurement, limits)


def on_the_way(gate: Gate, measurement: Measurement | None, limits: Limits) -> Gate:
    lane = measurement.lane if measurement is not None else None
    return on_network(on_path(gate, limits.floor, lane), measurement)


def check_overrides(case: Case, limits: Limits = SHIPPED) -> list[str]:
    """What is wrong with the case's gates_override: an unknown gate, or a P0 gate that would be loosened.

    A threshold within the run's limit or the shipped one loosens nothing.
    """
    problems = []
    for gate_id, threshold in case.gates_override.items():
        shipped = BY_ID.get(gate_id)
        if shipped is None or shipped.fixed:
            known = ", ".join(g.id for g in TABLE if not g.fixed)
            problems.append(f"gates_override.{gate_id}: no gate of this name can be overridden; known: {known}")
        elif case.tier is Tier.P0 and loosens(shipped, threshold) and loosens(limited(shipped, limits), threshold):
            allowed = limited(shipped, limits)
            allowed = allowed if loosens(shipped, allowed.threshold) else shipped
            problems.append(
                f"gates_override.{gate_id}: {threshold:g} loosens {allowed.op} {allowed.threshold:g}; "
                "a P0 case may only tighten"
            )
    return problems


@dataclass(frozen=True)
class Sample:
    """One metric of one turn (or call), with its origin."""

    metric: Metric
    trace_id: str
    threshold: float
    reply_seq: int | None = None  # None: of the call as a whole


def samples_of(gate: Gate, case: Case, measurement: Measurement) -> list[Sample]:
    """The samples of this capture for `gate`. A capture without turns still owes the metric.

    So does every reply to an utterance of the user. Any other reply owes nothing: a syllable that was cut off has no length
    to judge.
    """
    invalid = "; ".join(measurement.validity.reasons)

    def sample(metric: Metric, reply_seq: int | None = None) -> Sample:
        if not measurement.validity.ok and metric.value is not None:
            metric = metric.model_copy(update={"invalid": True, "reason": invalid})
        return Sample(metric, measurement.trace_id, gate.threshold, reply_seq)

    missing = Metric(value=None, reason=f"{gate.metric} was not measured ({measurement.capture_status})")
    if gate.per == "call":
        return [sample(worst_ring(gate, measurement.metrics) or missing)]
    found = []
    for turn in measurement.turns:
        metric = worst_ring(gate, turn.metrics) or (missing if turn.utterance is not None else None)
        if metric is not None and gate.keep(case, turn):
            found.append(sample(metric, turn.reply_seq))
    if gate.if_absent != "no_data":
        judged = [item for item in found if item.metric.value is not None or item.metric.not_applicable]
        if not judged and found and gate.if_absent == "optional":
            found = [replace(found[0], metric=found[0].metric.model_copy(update={"not_applicable": True}))]
        else:
            found = judged or found[:1]  # nothing to judge: one, for its reason
    return found or [sample(missing)]


def worst_ring(gate: Gate, metrics: Mapping[str, Metric]) -> Metric | None:
    """The gate's metric in the worst ring; without a value in any, the first one present."""
    present = [metrics[name] for name in (gate.metric, *gate.also) if name in metrics]
    valued = [metric for metric in present if metric.value is not None]
    if not valued:
        return present[0] if present else None
    return max(valued, key=lambda metric: how_bad(gate, metric.value or 0.0))


def how_bad(gate: Gate, value: float) -> float:
    """`value` on a scale where more is worse, whatever the gate's operator."""
    size = abs(value) if gate.aggregate in ("max_abs", "p95_abs") else value
    return size if gate.op in ("<=", "<", "==") else -size


def evaluate(gate: Gate, samples: Sequence[Sample]) -> GateResult:
    """One row over `samples`. Each sample is held to its own case's threshold; the result shows the row's and notes others."""
    result = _evaluated(gate, samples)
    if _own_limits(gate, [s for s in samples if s.metric.value is not None]):
        note = "; ".join(filter(None, [result.limit_note, "or the case's own"]))
        return result.model_copy(update={"limit_note": note})
    return result


def _evaluated(gate: Gate, samples: Sequence[Sample]) -> GateResult:
    applicable = [s for s in samples if not s.metric.not_applicable]
    if not applicable:
        reason = samples[0].metric.reason if samples else NOTHING_IN_SCOPE
        return _result(gate, None, "–", 0, Status.NOT_APPLICABLE, reason)
    invalid = [s for s in applicable if s.metric.invalid]
    missing = [s for s in applicable if s.metric.value is None and not s.metric.invalid]
    valid = [s for s in applicable if s.metric.value is not None and not s.metric.invalid]
    value, shown, worst = _aggregate(gate, valid)
    failed = [s for s in valid if not _holds(gate, s)] if _each(gate, len(valid)) else []
    held = not failed if _each(gate, len(valid)) else _holds_together(gate, valid)
    where = failed[0] if failed else worst
    if valid and not held and gate.blocking:
        return _result(gate, value, shown, len(valid), Status.FAIL, _why_failed(gate, failed), where)
    cluster = too_tight(gate, valid)
    if cluster:  # ahead of a warning: what is not believed is not judged
        return _result(replace(gate, blocking=True), value, shown, len(valid), Status.INVALID, cluster, where)
    if valid and not held:
        return _result(gate, value, shown, len(valid), Status.WARN, _why_failed(gate, failed), where)
    if missing:
        return _result(gate, value, shown, len(valid), Status.NO_DATA, _reasons(missing), missing[0])
    if invalid:
        return _result(gate, value, shown, len(valid), Status.INVALID, _reasons(invalid), invalid[0])
    return _result(gate, value, shown, len(valid), Status.PASS, "", where)


def _own_limits(gate: Gate, valid: Sequence[Sample]) -> bool:
    """Whether some case has a limit of its own, so that one value over all cannot be read against the row's."""
    return not gate.fixed and any(sample.threshold != gate.threshold for sample in valid)


def _beyond(gate: Gate, sample: Sample) -> float:
    """How far a value is above the limit of its own case; negative: below it."""
    assert sample.metric.value is not None
    return (abs(sample.metric.value) if gate.aggregate == "p95_abs" else sample.metric.value) - sample.threshold


def _holds_together(gate: Gate, valid: Sequence[Sample]) -> bool:
    """Whether all values together hold. By a P95 at most 1 in 20 turns may exceed its own case's limit."""
    if gate.aggregate != "share" and _own_limits(gate, valid):
        beyond = distribution([_beyond(gate, sample) for sample in valid]).p95
        return beyond is not None and OPS[gate.op](beyond, 0.0)
    value, _, _ = _aggregate(gate, valid)
    return value is not None and OPS[gate.op](value, gate.threshold)


def _why_failed(gate: Gate, failed: Sequence[Sample]) -> str:
    """The reason of the first value that failed, and its limit if that is not the row's."""
    if not failed:
        return ""
    first = failed[0]
    own = ""
    if first.threshold != gate.threshold:
        limit = show_limit(gate.op, first.threshold, gate.unit)
        own = f"{show(first.metric.value, gate.unit, beside=first.threshold)}, the case's own limit is {limit}"
    return "; ".join(filter(None, [own, first.metric.reason]))


def _each(gate: Gate, n: int) -> bool:
    """Whether every single value must hold: always, except for a P95 from 20 turns on and a share that may stay below 1."""
    if gate.aggregate == "share":
        return gate.op == "=="
    return gate.aggregate in ("max", "max_abs", "min", "sum") or n < ENOUGH_FOR_P95


def _holds(gate: Gate, sample: Sample) -> bool:
    assert sample.metric.value is not None
    return holds(gate, sample.metric.value, sample.threshold)


def holds(gate: Gate, value: float, threshold: float) -> bool:
    """Whether a single value is within the limit."""
    size = abs(value) if gate.aggregate in ("p95_abs", "max_abs") else value
    if gate.op == "==" and threshold != gate.threshold:  # a limit of the case's own: at most, or at least, so many
        return size >= threshold if gate.aggregate == "share" else size <= threshold
    return OPS[gate.op](size, threshold)


def _aggregate(gate: Gate, valid: Sequence[Sample]) -> tuple[float | None, str, Sample | None]:
    """(value, as printed, the sample to look at)."""
    if not valid:
        return None, "–", None
    values = [s.metric.value for s in valid if s.metric.value is not None]
    if gate.aggregate in ("p95_abs", "max_abs"):
        values = [abs(value) for value in values]
    high = gate.op in ("<=", "<", "==")
    worst = valid[values.index(max(values) if high and gate.aggregate != "share" else min(values))]
    match gate.aggregate:
        case "sum":
            return sum(values), show(sum(values), gate.unit, beside=gate.threshold), worst
        case "share":
            share = sum(value == 1 for value in values) / len(values)
            return (
                share,
                f"{show(share, 'share', beside=gate.threshold)} ({sum(value == 1 for value in values)}/{len(values)})",
                worst,
            )
        case "min":
            return min(values), show(min(values), gate.unit, beside=gate.threshold), worst
        case "max" | "max_abs":
            return max(values), show(max(values), gate.unit, beside=gate.threshold), worst
        case _:
            if len(values) < ENOUGH_FOR_P95:
                return (
                    max(values),
                    f"max of {len(values)}: {show(max(values), gate.unit, beside=gate.threshold)}",
                    worst,
                )
            p95 = distribution(values).p95
            said = f"P95 of {len(values)}: {show(p95, gate.unit, beside=gate.threshold)}"
            if _own_limits(gate, valid):
                beyond = [_beyond(gate, sample) for sample in valid]
                worst, over = valid[beyond.index(max(beyond))], distribution(beyond).p95
                assert over is not None
                side = "above" if over > 0 else "within"
                said += f"; against each case's own limit: {show(abs(over), gate.unit)} {side} it"
            return p95, said, worst


def too_tight(gate: Gate, samples: Sequence[Sample]) -> str:
    """Why a latency that varies less than its resolution is an artefact (H-130), or "". It is never only a warning: the
    first number of the report would be wrong.
    """
    values = [s.metric.value for s in samples if s.metric.value is not None and not s.metric.invalid]
    if not gate.sharp or len(values) < CLUSTER_MIN_N:
        return ""
    spread = distribution(values)
    assert spread.p95 is not None
    assert spread.p50 is not None
    if spread.p95 - spread.p50 < RESOLUTION_MS:
        tight = show(spread.p95 - spread.p50, "ms", beside=RESOLUTION_MS)
        return f"P95 − P50 of {len(values)} is {tight}, below the resolution of {RESOLUTION_MS:.2f} ms"
    return ""


def _reasons(samples: Sequence[Sample]) -> str:
    distinct = list(dict.fromkeys(s.metric.reason for s in samples if s.metric.reason))
    more = f" (and {len(distinct) - 2} more)" if len(distinct) > 2 else ""
    return "; ".join(distinct[:2]) + more


def _result(
    gate: Gate, value: float | None, shown: str, n: int, status: Status, reason: str, where: Sample | None = None
) -> GateResult:
    return GateResult(
        gate_id=gate.id,
        title=gate.title,
        ring=gate.ring,
        blocking=gate.blocking,
        value=value,
        shown=shown,
        threshold=gate.threshold,
        op=gate.op,
        unit=gate.unit,
        n=n,
        status=status,
        reason=reason,
        worst_trace_id=where.trace_id if where is not None else None,
        worst_reply_seq=where.reply_seq if where is not None else None,
        shipped=gate.shipped,
        limit_note=limit_note(gate),
    )
