"""From measured attempts to the verdict of a case and of the run.

A case's status is the worst of its blocking gates over one attempt; FLAKY if one attempt failed and another passed.
P0 gates block; in a P1 case only what it asks of the conversation blocks (a reply, its length), the audio gates warn
(H-101). Exit: 0 pass; 1 a blocking FAIL or FLAKY; 3 a blocking NO_DATA, INVALID, NOT_APPLIED or an error of the
harness; 130 interrupted. With both 1 and 3 it is 1: that something is wrong with the agent is the stronger statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.judge.gates import TABLE, Gate, Sample, evaluate, gates_for, samples_of
from harness.judge.numbers import show
from harness.judge.statistics import distribution
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest
from harness.model.case import Case, Tier
from harness.model.measurement import Measurement, Turn
from harness.model.status import CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, CaseVerdict, GateResult, Summary, TurnTaking

AGENTS_FAULT = {
    CaptureStatus.POST_SILENT,
    CaptureStatus.PRE_SILENT,
    CaptureStatus.SLICE_ERROR,
    CaptureStatus.REPLY_EVENTS_MISSING,
    CaptureStatus.REPLY_TIMEOUT,
    CaptureStatus.REPLY_ENDLESS,
    CaptureStatus.AGENT_CRASH,
}
COMPLETE = {CaptureStatus.OK, CaptureStatus.NO_REPLY_EXPECTED}
NOT_BELIEVED = {CaptureStatus.MIC_WINDOW_MISSED}
EXIT_OK, EXIT_FAIL, EXIT_NOT_MEASURED, EXIT_INTERRUPTED = 0, 1, 3, 130
CONVERSATION_GATES = {"complete_reply", "no_reply", "reply_not_short", "reply_not_long", "said_once"}


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


def status_of_capture(status: CaptureStatus) -> Status:
    """What a capture's end says by itself: the agent was wrong, or we could not measure."""
    if status in COMPLETE:
        return Status.PASS
    if status in AGENTS_FAULT:
        return Status.FAIL
    return Status.INVALID if status in NOT_BELIEVED else Status.NO_DATA


def blocks(gate: GateResult, case: Case) -> bool:
    return gate.blocking and (case.tier is Tier.P0 or gate.gate_id in CONVERSATION_GATES)


def judge_attempt(case: Case, manifest: Manifest, measurement: Measurement | None, folder: str) -> AttemptVerdict:
    """One attempt against the gates of its case. `folder` is relative to the run's folder."""
    status = measurement.capture_status if measurement is not None else manifest.status
    detail = (measurement.detail if measurement is not None else "") or manifest.detail
    gates: list[GateResult] = []
    if measurement is not None and status in COMPLETE:
        gates = [evaluate(gate, samples_of(gate, case, measurement)) for gate in gates_for(case)]
        gates = [g if blocks(g, case) else _as_warning(g) for g in gates]
    own = status_of_capture(status)
    if measurement is None and own is Status.PASS:
        own = Status.NO_DATA
    judged = [own, *(g.status for g in gates)]
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
    )


def _as_warning(gate: GateResult) -> GateResult:
    """A gate that does not block this case: whatever is wrong is a warning, and says what it would have been."""
    if gate.status in (Status.PASS, Status.WARN, Status.NOT_APPLICABLE):
        return gate.model_copy(update={"blocking": False})
    reason = f"{gate.status}: {gate.reason}" if gate.reason else str(gate.status)
    return gate.model_copy(update={"blocking": False, "status": Status.WARN, "reason": reason})


def judge_case(case: Case, attempts: Sequence[AttemptVerdict]) -> CaseVerdict:
    """All attempts of a case; a pass after a failure is evidence of a flake, not a pass."""
    statuses = [attempt.status for attempt in attempts]
    passed = [status in (Status.PASS, Status.WARN) for status in statuses]
    if any(passed) and not all(passed):
        status = Status.FLAKY
        reason = f"{sum(passed)} of {len(passed)} attempts passed; the first {'passed' if passed[0] else statuses[0]}"
    else:
        status = worst(statuses)
        reason = _why(next(a for a in attempts if a.status is status))
    return CaseVerdict(
        case_id=case.id, title=case.title, tier=case.tier, status=status, reason=reason, attempts=list(attempts)
    )


def _why(attempt: AttemptVerdict) -> str:
    """One line on the worst of an attempt."""
    if attempt.capture_status not in COMPLETE:
        return f"{attempt.capture_status}: {attempt.detail}".rstrip(": ")
    for gate in attempt.gates:
        if gate.status is attempt.status and gate.status not in (Status.PASS, Status.NOT_APPLICABLE):
            wanted = f"{gate.shown}, wanted {gate.op} {show(gate.threshold, gate.unit)}"
            return f"{gate.gate_id}: {gate.reason or wanted}"
    return attempt.detail


def judge_run(facts: RunFacts, cases: Sequence[CaseVerdict], definitions: dict[str, Case]) -> Summary:
    """The run's summary. `definitions`: the cases by id, for the gates over all of them."""
    measured = [
        (definitions[case.case_id], attempt.measurement)
        for case in cases
        for attempt in case.attempts
        if attempt.measurement is not None and attempt.capture_status in COMPLETE
    ]
    gates = [_over_run(gate, measured) for gate in TABLE]
    turns = [(m, turn) for _, m in measured for turn in m.turns]
    attempts = [attempt for case in cases for attempt in case.attempts]
    exit_code = _exit_code(facts, cases)
    status = _run_status(facts, cases)
    median, slowest = _landmarks(turns, facts.lane)
    agent = facts.agent or AgentUnderTest(kind="reference")
    return Summary(
        run_id=facts.run_id,
        started_at=facts.started_at,
        finished_at=facts.finished_at,
        complete=facts.complete,
        status=status,
        exit_code=exit_code,
        headline=_headline(facts, cases, status),
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
        not_measured=_not_measured(measured, attempts, facts),
        environment=facts.environment,
        wall_s=facts.wall_s,
    )


def _over_run(gate: Gate, measured: Sequence[tuple[Case, Measurement]]) -> GateResult:
    samples: list[Sample] = []
    for case, measurement in measured:
        samples += [s for own in gates_for(case) if own.id == gate.id for s in samples_of(own, case, measurement)]
    return evaluate(gate, samples)


def _values(turns: Sequence[tuple[Measurement, Turn]], metric: str) -> list[float]:
    found = (turn.metrics.get(metric) for _, turn in turns)
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


def _blocking_statuses(facts: RunFacts, cases: Sequence[CaseVerdict]) -> list[Status]:
    statuses = [case.status for case in cases]
    if facts.errors or (not facts.complete and not facts.interrupted):
        statuses.append(Status.NO_DATA)
    return statuses


def _run_status(facts: RunFacts, cases: Sequence[CaseVerdict]) -> Status:
    status = worst(_blocking_statuses(facts, cases))
    return Status.NO_DATA if status is Status.NOT_APPLICABLE else status


def _exit_code(facts: RunFacts, cases: Sequence[CaseVerdict]) -> int:
    if facts.interrupted:
        return EXIT_INTERRUPTED
    statuses = _blocking_statuses(facts, cases)
    if any(status in (Status.FAIL, Status.FLAKY) for status in statuses):
        return EXIT_FAIL
    if any(status in (Status.NO_DATA, Status.INVALID, Status.NOT_APPLIED) for status in statuses) or not statuses:
        return EXIT_NOT_MEASURED
    return EXIT_FAIL if facts.strict and Status.WARN in statuses else EXIT_OK


def _headline(facts: RunFacts, cases: Sequence[CaseVerdict], status: Status) -> str:
    passed = sum(case.status in (Status.PASS, Status.WARN) for case in cases)
    text = f"{status}: {passed} of {len(cases)} cases passed"
    others = [case for case in cases if case.status not in (Status.PASS, Status.WARN)]
    if others:
        text += "; " + ", ".join(f"{case.case_id} {case.status}" for case in others[:4])
        text += f" and {len(others) - 4} more" if len(others) > 4 else ""
    unrun = len(facts.planned) - len(cases)
    if not facts.complete:
        why = "interrupted" if facts.interrupted else "broken off"
        text += f". PARTIAL: the run was {why}" + (f", {unrun} cases were not run" if unrun > 0 else "")
    return text


def _first_pass_rate(cases: Sequence[CaseVerdict]) -> float | None:
    firsts = [case.attempts[0].status in (Status.PASS, Status.WARN) for case in cases if case.attempts]
    return sum(firsts) / len(firsts) if firsts else None


def _not_measured(
    measured: Sequence[tuple[Case, Measurement]], attempts: Sequence[AttemptVerdict], facts: RunFacts
) -> list[str]:
    """What this run could not tell, each with how to get it."""
    notes: dict[str, str] = {}
    for _, measurement in measured:
        for turn in measurement.turns:
            for name, metric in turn.metrics.items():
                if metric.not_applicable:
                    notes.setdefault(name, f"{name}: {metric.reason}")
    broken = [attempt for attempt in attempts if attempt.capture_status not in COMPLETE]
    unmeasured = [f"{a.trace_id}: {a.capture_status}" for a in broken]
    if facts.link == "none":
        unmeasured.append("impaired networks: this run used no link profile")
    return [*unmeasured, *notes.values()]
