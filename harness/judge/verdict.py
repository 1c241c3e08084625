"""From measured attempts to the verdict of a case and of the run.

An attempt's status is the worst of its gates. Of several attempts: FLAKY if the agent failed in one and passed in
another; an attempt that could not be measured is no failure of the agent's, but a pass beside it does not undo it, so the case
has that attempt's status (NO_DATA, INVALID, …). The run has the worst status of its cases and of the gates over the run
(see `blocking`); an incomplete run is NO_DATA at best. Exit: 0 pass; 1 a blocking FAIL or FLAKY; 3 a blocking NO_DATA,
INVALID, NOT_APPLIED or an error of the harness; 130 interrupted. With both 1 and 3 it is 1: a fault of the agent is the stronger
statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.judge.alike import by_reason
from harness.judge.blocking import Judged, as_warning, blocks, over_run
from harness.judge.degraded import degraded_in_words
from harness.judge.gates import TABLE, evaluate, gates_for, samples_of
from harness.judge.limits import limit_in_words
from harness.judge.network import network_status
from harness.judge.promoted import KpiLimit, apply_limit
from harness.judge.statistics import distribution
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest
from harness.model.case import Case
from harness.model.degraded import DegradedTurn
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement, Turn
from harness.model.side_by_side import SideBySide
from harness.model.status import COMPLETE, CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, CaseVerdict, GateResult, Summary, TurnTaking

AGENTS_FAULT = {
    CaptureStatus.POST_SILENT,
    CaptureStatus.PRE_SILENT,
    CaptureStatus.SLICE_ERROR,
    CaptureStatus.REPLY_EVENTS_MISSING,
    CaptureStatus.REPLY_TIMEOUT,
    CaptureStatus.REPLY_ENDLESS,
    CaptureStatus.DIALOGUE_GAVE_UP,
    CaptureStatus.AGENT_CRASH,
    CaptureStatus.AGENT_LEFT,
}
#: The agent owed something that did not come, or did not end. Nobody says so of it by a call that is not believed: on a host
#: that starves them, agents are late.
AWAITED = {
    CaptureStatus.POST_SILENT,
    CaptureStatus.SLICE_ERROR,
    CaptureStatus.REPLY_EVENTS_MISSING,
    CaptureStatus.REPLY_TIMEOUT,
    CaptureStatus.REPLY_ENDLESS,
    CaptureStatus.DIALOGUE_GAVE_UP,
}
NOT_BELIEVED = {CaptureStatus.MIC_WINDOW_MISSED}
EXIT_OK, EXIT_FAIL, EXIT_NOT_MEASURED, EXIT_INTERRUPTED = 0, 1, 3, 130
NOT_MEASURED = (Status.NO_DATA, Status.INVALID, Status.NOT_APPLIED)
PASSING = (Status.PASS, Status.WARN)


@dataclass(frozen=True)
class RunFacts:
    """What the verdict needs to know of the run besides its attempts."""

    run_id: str
    started_at: str
    finished_at: str | None
    complete: bool
    interrupted: bool
    strict: bool
    suite: str
    lane: Literal["browser", "bot"]
    mic: Literal["scheduled", "device", "bot"]
    agent: AgentUnderTest | None
    page: PageUnderTest | None
    link: str
    planned: tuple[str, ...]
    errors: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    wall_s: float | None = None
    kpi_limit: KpiLimit | None = None  # of a promoted baseline
    side_by_side: SideBySide | None = None
    limits: Limits = SHIPPED


def status_of_capture(status: CaptureStatus) -> Status:
    """The status of a capture by its end alone: the agent was wrong, or we could not measure."""
    if status in COMPLETE:
        return Status.PASS
    if status in AGENTS_FAULT:
        return Status.FAIL
    return Status.INVALID if status in NOT_BELIEVED else Status.NO_DATA


def status_of_end(status: CaptureStatus, measurement: Measurement | None) -> tuple[Status, str]:
    """`status_of_capture`, and why it is INVALID instead where what was awaited was awaited in a call that is not believed."""
    if status not in AWAITED or measurement is None or measurement.validity.ok:
        return status_of_capture(status), ""
    return Status.INVALID, "; ".join(measurement.validity.reasons)


def judge_attempt(
    case: Case,
    manifest: Manifest,
    measurement: Measurement | None,
    folder: str,
    degraded: Sequence[DegradedTurn] = (),
    limits: Limits = SHIPPED,
) -> AttemptVerdict:
    """One attempt against the gates of its case. `folder` is relative to the run's folder; `degraded` is noted."""
    status = measurement.capture_status if measurement is not None else manifest.status
    detail = (measurement.detail if measurement is not None else "") or manifest.detail
    gates: list[GateResult] = []
    if measurement is not None and status in COMPLETE:
        gates = [evaluate(gate, samples_of(gate, case, measurement)) for gate in gates_for(case, measurement, limits)]
        gates = [g if blocks(g, case) else as_warning(g) for g in gates]
    own, not_believed = status_of_end(status, measurement)
    applied, why_not = network_status(measurement) if status in COMPLETE else (Status.PASS, "")
    detail = "; ".join(filter(None, [not_believed, why_not, detail]))
    if measurement is None and own is Status.PASS:
        own = Status.NO_DATA
    judged = [own, applied, *(g.status for g in gates)]
    return AttemptVerdict(
        trace_id=manifest.trace_id,
        attempt=manifest.attempt,
        capture_status=status,
        detail=detail,
        status=worst(judged),
        gates=gates,
        measurement=measurement,
        folder=folder,
        wall_s=round(sum(manifest.wall_s.values()), 1),
        degraded=list(degraded),
    )


def judge_case(case: Case, attempts: Sequence[AttemptVerdict]) -> CaseVerdict:
    """All attempts of a case. None undoes another: a pass after a failure is FLAKY, after no data it is no data."""
    statuses = [attempt.status for attempt in attempts]
    passed = [status in PASSING for status in statuses]
    status = worst(statuses)
    if status is Status.FAIL and any(passed):
        status = Status.FLAKY
        reason = f"{sum(passed)} of {len(passed)} attempts passed; the first {'passed' if passed[0] else statuses[0]}"
    else:
        reason = _why(next(a for a in attempts if a.status is status))
        if status not in PASSING and any(passed):
            count = f"{sum(passed)} of {len(passed)} attempts passed, which does not make up for it"
            reason = "; ".join(filter(None, [reason, count]))
    return CaseVerdict(
        case_id=case.id, title=case.title, tier=case.tier, status=status, reason=reason, attempts=list(attempts)
    )


def _why(attempt: AttemptVerdict) -> str:
    """One line on an attempt's worst result."""
    if attempt.capture_status not in COMPLETE:
        return f"{attempt.capture_status}: {attempt.detail}".rstrip(": ")
    for gate in attempt.gates:
        if gate.status is attempt.status and gate.status not in (Status.PASS, Status.NOT_APPLICABLE):
            return f"{gate.gate_id}: {explain(gate)}"
    return attempt.detail


def explain(gate: GateResult) -> str:
    """Value, limit and reason of a gate that does not hold; the reason alone where nothing was measured."""
    would_be = f"{gate.would_be}: " if gate.would_be is not None else ""
    if gate.value is None or (gate.would_be or gate.status) in NOT_MEASURED:
        return would_be + (gate.reason or "no value")
    wanted = f"{gate.shown}, wanted {limit_in_words(gate)}"
    return would_be + (f"{wanted} ({gate.reason})" if gate.reason else wanted)


def judge_run(facts: RunFacts, cases: Sequence[CaseVerdict], definitions: dict[str, Case]) -> Summary:
    """The run's summary. `definitions`: the cases by id, for the gates over all of them."""
    judged = [
        Judged(definitions[case.case_id], attempt.measurement, attempt.gates)
        for case in cases
        for attempt in case.attempts
        if attempt.measurement is not None and attempt.capture_status in COMPLETE
    ]
    gates = [over_run(gate, judged, facts.limits) for gate in TABLE]
    gates = apply_limit(gates, facts.kpi_limit, judged)
    turns = [(j.measurement, turn) for j in judged for turn in j.measurement.turns]
    attempts = [attempt for case in cases for attempt in case.attempts]
    statuses = _statuses(facts, cases, gates)
    status = worst(statuses)
    median, slowest = _landmarks(turns, facts.lane)
    agent = facts.agent or AgentUnderTest(kind="reference")
    return Summary(
        run_id=facts.run_id,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        complete=facts.complete,
        status=status,
        exit_code=_exit_code(facts, statuses),
        headline=_headline(facts, cases, gates, status),
        suite=facts.suite,
        lane=facts.lane,
        mic=facts.mic,
        agent=agent,
        page=facts.page or PageUnderTest(kind="none"),
        link=facts.link,
        turn_taking=_turn_taking(turns),
        gates=gates,
        cases=list(cases),
        waterfall_median=median,
        waterfall_slowest=slowest,
        unexplained_ms=distribution([abs(v) for v in _values(turns, "unexplained_ms")]),
        first_attempt_pass_rate=_first_pass_rate(cases),
        errors=list(facts.errors),
        not_measured=_not_measured([j.measurement for j in judged], attempts, facts),
        environment=facts.environment,
        limits=facts.limits,
        side_by_side=facts.side_by_side,
        wall_s=facts.wall_s,
    )


def _values(turns: Sequence[tuple[Measurement, Turn]], metric: str) -> list[float]:
    found = (turn.metrics.get(metric) for measurement, turn in turns if measurement.validity.ok)
    return [m.value for m in found if m is not None and m.value is not None and not m.invalid]


def _turn_taking(turns: Sequence[tuple[Measurement, Turn]]) -> TurnTaking:
    talk_over = _values(turns, "talk_over_ms")
    return TurnTaking(
        raw_ms=distribution(_values(turns, "user_kpi_raw_ms")),
        clamped_ms=distribution(_values(turns, "user_kpi_ms")),
        talk_over_count=len(talk_over),
        talk_over_ms=distribution(talk_over),
    )


def _landmarks(turns: Sequence[tuple[Measurement, Turn]], lane: str) -> tuple[str | None, str | None]:
    """(median, slowest) turn by the lane's first latency, as `trace_id:reply_seq`."""
    metric = "user_kpi_raw_ms" if lane == "browser" else "eot_to_first_audio_ms"
    timed = []
    for measurement, turn in turns:
        found = turn.metrics.get(metric)
        if found is not None and found.value is not None and not found.invalid:
            timed.append((found.value, f"{measurement.trace_id}:{turn.reply_seq}"))
    if not timed:
        return None, None
    timed.sort()
    return timed[(len(timed) - 1) // 2][1], timed[-1][1]


def _statuses(facts: RunFacts, cases: Sequence[CaseVerdict], gates: Sequence[GateResult]) -> list[Status]:
    """All statuses that decide the run's."""
    statuses = [case.status for case in cases]
    statuses += [gate.status for gate in gates]
    judged = any(status is not Status.NOT_APPLICABLE for status in statuses)
    if facts.errors or not facts.complete or not judged:
        statuses.append(Status.NO_DATA)
    return statuses


def _exit_code(facts: RunFacts, statuses: Sequence[Status]) -> int:
    if facts.interrupted:
        return EXIT_INTERRUPTED
    if any(status in (Status.FAIL, Status.FLAKY) for status in statuses):
        return EXIT_FAIL
    if any(status in NOT_MEASURED for status in statuses):
        return EXIT_NOT_MEASURED
    return EXIT_FAIL if facts.strict and Status.WARN in statuses else EXIT_OK


def _headline(facts: RunFacts, cases: Sequence[CaseVerdict], gates: Sequence[GateResult], status: Status) -> str:
    passed = sum(case.status in PASSING for case in cases)
    verdict = str(status)
    if not facts.complete:
        verdict = f"PARTIAL, the run was {'interrupted' if facts.interrupted else 'broken off'}"
        verdict += f"; {status}" if status is not Status.NO_DATA else ""
    parts = [f"{verdict}: {passed} of {len(cases)} cases passed"]
    others = [case for case in cases if case.status not in PASSING]
    if others:
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        parts.append(", ".join(f"{case.case_id} {case.status}" for case in others[:4]) + more)
    parts += [
        f"over the run {gate.gate_id} is {gate.status}: {explain(gate)}" for gate in shown_by_run_alone(gates, cases)
    ]
    parts += filter(None, [degraded_in_words([attempt for case in cases for attempt in case.attempts])])
    unrun = len(facts.planned) - len(cases)
    if not facts.complete and unrun > 0:
        parts.append(f"{_count(unrun, 'case')} {'was' if unrun == 1 else 'were'} not run")
    return "; ".join(parts)


def shown_by_run_alone(gates: Sequence[GateResult], cases: Sequence[CaseVerdict]) -> list[GateResult]:
    """Rows of the run that are worse than a warning, and that no attempt shows."""
    known = {
        gate.gate_id
        for case in cases
        for attempt in case.attempts
        for gate in attempt.gates
        if gate.blocking and gate.status not in (*PASSING, Status.NOT_APPLICABLE)
    }
    return [
        gate for gate in gates if gate.gate_id not in known and gate.status not in (*PASSING, Status.NOT_APPLICABLE)
    ]


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _first_pass_rate(cases: Sequence[CaseVerdict]) -> float | None:
    firsts = [case.attempts[0].status in (Status.PASS, Status.WARN) for case in cases if case.attempts]
    return sum(firsts) / len(firsts) if firsts else None


def _not_measured(measured: Sequence[Measurement], attempts: Sequence[AttemptVerdict], facts: RunFacts) -> list[str]:
    """What this run could not measure, and why."""
    reasons: dict[str, str] = {}
    for measurement in measured:
        for turn in measurement.turns:
            for name, metric in turn.metrics.items():
                if metric.not_applicable:
                    reasons.setdefault(name, metric.reason)
    notes = [f"{', '.join(names)}: {reason}" for names, reason in by_reason(reasons.items())]
    broken = [attempt for attempt in attempts if attempt.capture_status not in COMPLETE]
    unmeasured = [f"{a.trace_id}: {a.capture_status}" for a in broken]
    if facts.link == "none":
        unmeasured.append("impaired networks: this run used no link profile")
    return [*unmeasured, *notes]
