"""The gates: one table, and one function that evaluates a row over a set of turns (H-70 to H-78, H-100 to H-108).

A gate takes one metric of each turn in its scope. Missing where it applies → NO_DATA; marked invalid → INVALID; nothing
left to judge because the capture's declared capability excludes it → NOT_APPLICABLE. Value 0 is a value. Below 20
turns a P95 gate judges the maximum and says so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.judge.numbers import show, show_limit
from harness.judge.statistics import ENOUGH_FOR_P95, distribution
from harness.model.case import Case, Tier
from harness.model.measurement import Measurement, Metric, Turn
from harness.model.status import Status
from harness.model.verdict import GateResult

Op = Literal["<=", "<", "==", ">="]
Aggregate = Literal["p95", "p95_abs", "max", "min", "sum", "share"]

OPS: dict[Op, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Gate:
    """One row. `per`: a metric of each turn, or of each call. `scope`: which cases it judges."""

    id: str
    title: str
    metric: str
    ring: str
    aggregate: Aggregate
    op: Op
    threshold: float
    unit: str
    blocking: bool
    per: Literal["turn", "call"] = "turn"
    scope: Callable[[Case], bool] = lambda case: True
    keep: Callable[[Case, Turn], bool] = lambda case, turn: True  # which turns of a case
    if_absent: Literal["no_data", "skip"] = "no_data"  # skip: the metric exists only in some turns, by its nature
    fixed: bool = False  # a case's own limit; not to be overridden


def _p0(case: Case) -> bool:
    return case.tier is Tier.P0


def _reply_due(case: Case) -> bool:
    return case.expect_reply


def _not_cut_short(case: Case, turn: Turn) -> bool:
    """The reply that the user interrupts is not judged for its length; neither is one nobody waited for."""
    return turn.utterance is not None and not (case.interrupts and turn.reply_seq == 0)


def _answers(case: Case, turn: Turn) -> bool:
    """Turns whose reply the KPI pairs with an end of turn."""
    return turn.utterance is not None


TABLE: tuple[Gate, ...] = (
    # the eight blocking gates of the spec
    Gate("eot_to_first_audio", "end of turn → first audio, at the second listener", "eot_to_first_audio_ms", "1",
         "p95", "<=", 650, "ms", True, keep=_answers, scope=_reply_due),
    Gate("tts_first_publish", "first TTS PCM → first frame published", "tts_first_to_publish_ms", "agent",
         "p95", "<=", 120, "ms", True, keep=_answers, scope=_reply_due),
    Gate("audible_dropout", "audible dropouts in a reply", "dropout_count", "1",
         "sum", "==", 0, "", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("max_gap", "longest hole in a reply", "max_gap_ms", "1",
         "max", "<", 200, "ms", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("audio_valid", "replies that are audible and are the agent's own", "audio_valid", "1",
         "share", "==", 1.0, "share", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("clipping_ratio", "samples at full scale", "clipping_ratio", "1",
         "max", "<", 0.001, "share", True, scope=_reply_due),
    Gate("fast_ttft", "transcript → first token (fast lane)", "fast_ttft_ms", "agent",
         "p95", "<=", 80, "ms", True, keep=_answers, scope=_reply_due),
    Gate("inter_arrival", "inter-arrival of frames at the second listener", "inter_arrival_p95_ms", "1",
         "p95", "<=", 30, "ms", True, scope=_reply_due),
    # what a case asks for
    Gate("talk_over", "the agent began to speak before the user's end of turn", "talk_over_count", "2",
         "sum", "==", 0, "", True, per="call", scope=lambda case: _p0(case) and not case.talk_over_allowed),
    Gate("complete_reply", "complete replies after the final end of turn", "replies_complete_after_final_eot", "2",
         "min", ">=", 1, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("replies", "turns of the user that got no reply", "unanswered_turn_count", "2",
         "sum", "==", 0, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("no_reply", "sounds of the agent where nothing was to be said", "unexpected_onset_count", "2",
         "sum", "==", 0, "", True, per="call", scope=lambda case: not case.expect_reply, fixed=True),
    Gate("said_once", "times the user's speech is found in the recording", "user_heard_count", "2",
         "max", "==", 1, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("reply_not_short", "length of a reply, at least", "reply_ms", "2",
         "min", ">=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True),
    Gate("reply_not_long", "length of a reply, at most", "reply_ms", "2",
         "max", "<=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True),
    Gate("interruption", "the user spoke into a reply, and it fell silent", "barge_in_to_silence_ms", "2",
         "min", ">=", 0, "ms", True, if_absent="skip", scope=lambda case: case.interrupts, fixed=True),
    # warnings
    Gate("user_kpi", "USER_KPI: user's last word → agent audible at the ear", "user_kpi_ms", "2",
         "p95", "<=", 900, "ms", False, keep=_answers, scope=_reply_due),
    Gate("ear_dropout", "audible dropouts at the ear", "dropout_count_ear", "2",
         "sum", "==", 0, "", False, scope=_reply_due),
    Gate("ear_clipping", "samples at full scale at the ear", "clipping_ratio_ear", "2",
         "max", "<", 0.001, "share", False, scope=_reply_due),
    Gate("barge_in_to_silence", "interruption → silence at the ear", "barge_in_to_silence_ms", "2",
         "p95", "<=", 600, "ms", False, if_absent="skip", scope=lambda case: case.interrupts),
    Gate("eot_error", "the agent's own end of turn against the truth", "eot_error_ms", "agent",
         "p95_abs", "<=", 40, "ms", False, keep=_answers, scope=_reply_due),
    Gate("unexplained", "what the waterfall leaves unexplained", "unexplained_ms", "2",
         "p95_abs", "<=", 10, "ms", False, keep=_answers, scope=_reply_due),
)  # fmt: skip
BY_ID = {gate.id: gate for gate in TABLE}
RESOLUTION_MS = 128 / 48  # of an onset in the browser: one render quantum
CLUSTER_MIN_N = 8


def gates_for(case: Case) -> list[Gate]:
    """The rows that judge `case`, with its own limits in them."""
    limits = {"reply_not_short": case.min_reply_ms, "reply_not_long": case.max_reply_ms, **case.gates_override}
    return [replace(g, threshold=limits[g.id]) if g.id in limits else g for g in TABLE if g.scope(case)]


def check_overrides(case: Case) -> list[str]:
    """What is wrong with the case's gates_override: an unknown gate, or a P0 gate that would be loosened."""
    problems = []
    for gate_id, threshold in case.gates_override.items():
        gate = BY_ID.get(gate_id)
        if gate is None or gate.fixed:
            known = ", ".join(g.id for g in TABLE if not g.fixed)
            problems.append(f"gates_override.{gate_id}: no gate of this name can be overridden; known: {known}")
        elif case.tier is Tier.P0 and _loosens(gate, threshold):
            problems.append(
                f"gates_override.{gate_id}: {threshold:g} loosens {gate.op} {gate.threshold:g}; "
                "a P0 case may only tighten"
            )
    return problems


def _loosens(gate: Gate, threshold: float) -> bool:
    if gate.op in ("<=", "<"):
        return threshold > gate.threshold
    return threshold != gate.threshold if gate.op == "==" else threshold < gate.threshold


@dataclass(frozen=True)
class Sample:
    """One metric of one turn (or call), with where it comes from."""

    metric: Metric
    trace_id: str
    threshold: float
    reply_seq: int | None = None  # None: of the call as a whole


def samples_of(gate: Gate, case: Case, measurement: Measurement) -> list[Sample]:
    """What this capture gives to `gate`. A capture with no turn at all still owes its metric.

    So does every turn of the user's. A reply that answers none owes nothing: a syllable that was cut off has no length
    to judge.
    """
    invalid = "; ".join(measurement.validity.reasons)

    def sample(metric: Metric, reply_seq: int | None = None) -> Sample:
        if not measurement.validity.ok and metric.value is not None:
            metric = metric.model_copy(update={"invalid": True, "reason": invalid})
        return Sample(metric, measurement.trace_id, gate.threshold, reply_seq)

    missing = Metric(value=None, reason=f"{gate.metric} was not measured ({measurement.capture_status})")
    if gate.per == "call":
        return [sample(measurement.metrics.get(gate.metric, missing))]
    found = []
    for turn in measurement.turns:
        metric = turn.metrics.get(gate.metric, missing if turn.utterance is not None else None)
        if metric is not None and gate.keep(case, turn):
            found.append(sample(metric, turn.reply_seq))
    if gate.if_absent == "skip":
        found = [item for item in found if item.metric.value is not None]
    return found or [sample(missing)]


def evaluate(gate: Gate, samples: Sequence[Sample]) -> GateResult:
    """One row over `samples`. Each sample is held to its own case's threshold; the table's is shown."""
    applicable = [s for s in samples if not s.metric.not_applicable]
    if not applicable:
        reason = samples[0].metric.reason if samples else "no case of this run is in its scope"
        return _result(gate, None, "–", 0, Status.NOT_APPLICABLE, reason)
    invalid = [s for s in applicable if s.metric.invalid]
    missing = [s for s in applicable if s.metric.value is None and not s.metric.invalid]
    valid = [s for s in applicable if s.metric.value is not None and not s.metric.invalid]
    value, shown, worst = _aggregate(gate, valid)
    failed = [s for s in valid if not _holds(gate, s)] if _each(gate, len(valid)) else []
    held = not failed if _each(gate, len(valid)) else value is not None and OPS[gate.op](value, gate.threshold)
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


def _why_failed(gate: Gate, failed: Sequence[Sample]) -> str:
    """What is known of the first value that failed, and the limit it is held to if that is not the row's."""
    if not failed:
        return ""
    first = failed[0]
    own = ""
    if first.threshold != gate.threshold:
        limit = show_limit(gate.op, first.threshold, gate.unit)
        own = f"{show(first.metric.value, gate.unit, beside=first.threshold)}, the case's own limit is {limit}"
    return "; ".join(filter(None, [own, first.metric.reason]))


def _each(gate: Gate, n: int) -> bool:
    """Whether every single value must hold: always for max, min, share; for a P95 below 20 turns."""
    return gate.aggregate in ("max", "min", "share", "sum") or n < ENOUGH_FOR_P95


def _holds(gate: Gate, sample: Sample) -> bool:
    assert sample.metric.value is not None
    value = abs(sample.metric.value) if gate.aggregate == "p95_abs" else sample.metric.value
    return OPS[gate.op](value, sample.threshold)


def _aggregate(gate: Gate, valid: Sequence[Sample]) -> tuple[float | None, str, Sample | None]:
    """(value, as printed, the sample to look at)."""
    if not valid:
        return None, "–", None
    values = [s.metric.value for s in valid if s.metric.value is not None]
    if gate.aggregate == "p95_abs":
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
        case "max":
            return max(values), show(max(values), gate.unit, beside=gate.threshold), worst
        case _:
            if len(values) < ENOUGH_FOR_P95:
                return (
                    max(values),
                    f"max of {len(values)}: {show(max(values), gate.unit, beside=gate.threshold)}",
                    worst,
                )
            p95 = distribution(values).p95
            return p95, f"P95 of {len(values)}: {show(p95, gate.unit, beside=gate.threshold)}", worst


def too_tight(gate: Gate, samples: Sequence[Sample]) -> str:
    """Why a latency that varies less than it can be resolved is an artefact (H-130), or "". It is never a warning only:
    the first number of the report would be wrong.
    """
    values = [s.metric.value for s in samples if s.metric.value is not None and not s.metric.invalid]
    if gate.id not in ("user_kpi", "eot_to_first_audio") or len(values) < CLUSTER_MIN_N:
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
    )
