"""The figures of a night and its verdict (H-86, H-110 to H-116): from the summaries of its parts, no recording is opened.

Every attempt is a first attempt: none is repeated to pass. A part has the status its run has; the night has the worst of its
parts and of the rows it must show. Exit status as of a run: 0 pass; 1 something is wrong with the agent; 3 something could
not be measured; 130 interrupted. Shares have exact binomial intervals (Clopper-Pearson, 95 %).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.degraded import degraded_by
from harness.judge.network import APPLIED, network_status
from harness.judge.numbers import show
from harness.judge.statistics import distribution
from harness.judge.verdict import EXIT_FAIL, EXIT_INTERRUPTED, EXIT_NOT_MEASURED, NOT_MEASURED, PASSING
from harness.judge.webm import webm_row
from harness.model.degraded import LABEL
from harness.model.measurement import Metric, Turn
from harness.model.night import Acceptance, Failure, Flake, PartResult, PlannedPart, Share
from harness.model.status import COMPLETE, CaptureStatus, Status, worst
from harness.model.verdict import AttemptVerdict, Summary

CRASHES = (
    CaptureStatus.AGENT_CRASH,
    CaptureStatus.BROWSER_CRASH,
    CaptureStatus.SERVER_LOST,
    CaptureStatus.LINK_LOST,
    CaptureStatus.HARNESS_ERROR,
)
LEAST_JOINED = 0.95  # H-47
EXAMPLES = 5
DOUBTED = "INVALID: the measurement is not to be believed (its report says why)"
NOT_PROVEN = "NOT_APPLIED: the network was not proven"
HOLES = ("max_gap_ms", "max_gap_ear_ms")
FIRST_LATENCY = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}


@dataclass(frozen=True)
class Known:
    """What only the captures record, by trace_id."""

    joined: Collection[str]
    wrote_pre: Collection[str]


def share(hits: int, n: int) -> Share:
    """With its exact 95 % interval."""
    if n == 0:
        return Share(hits=0, n=0)
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(0.95, method="exact")
    return Share(hits=hits, n=n, low=round(float(interval.low), 4), high=round(float(interval.high), 4))


def judge_part(part: PlannedPart, summary: Summary, known: Known, report: str) -> PartResult:
    """The part's figures from its run's summary. `report`: where it lies, relative to the night's folder."""
    attempts = [(case.case_id, attempt) for case in summary.cases for attempt in case.attempts]
    attempted = [attempt for _, attempt in attempts]
    complete = [a for a in attempted if a.capture_status in COMPLETE]
    turns = [(a, turn) for a in complete if a.measurement is not None for turn in a.measurement.turns]
    applied = [a.measurement.metrics[APPLIED] for a in complete if a.measurement and APPLIED in a.measurement.metrics]
    latencies = [
        value for a, turn in turns if (value := _believed(a, turn.metrics, FIRST_LATENCY[part.lane])) is not None
    ]
    answered = [turn for _, turn in turns if turn.utterance is not None]
    expected = [a for a in attempted if a.capture_status is not CaptureStatus.NO_REPLY_EXPECTED]
    to_hear = [a for a in expected if _is_asked(a, "audio_valid")]
    instrumented = summary.agent.instrumented
    return PartResult(
        id=part.id,
        status=summary.status,
        exit_code=summary.exit_code,
        headline=summary.headline,
        played=len(attempted),
        planned=part.planned,
        passed=share(sum(a.status in PASSING for a in attempted), len(attempted)),
        applied=share(sum(bool(m.value) for m in applied), len(applied)) if part.network != "none" else None,
        complete=share(len(complete), len(attempted)),
        joined=share(sum(a.trace_id in known.joined for a in attempted), len(attempted)),
        pre_rtc=share(sum(a.trace_id in known.wrote_pre for a in expected), len(expected)) if instrumented else None,
        audible=share(sum(_gate(a, "audio_valid") in PASSING for a in to_hear), len(to_hear)),
        timed=share(len(latencies), len(answered)),
        crashes=dict(Counter(a.capture_status.value for a in attempted if a.capture_status in CRASHES)),
        flaky=_flaky(part, summary),
        failures=failures(attempted),
        latency_ms=distribution(latencies),
        concealed=distribution(_values(turns, "concealed_ratio")),
        longest_hole_ms=max((v for name in HOLES for v in _values(turns, name)), default=None),
        talk_over=summary.turn_taking.talk_over_count if part.lane == "browser" else None,
        degraded=degraded_by(attempted),
        degraded_turns=sum(len(a.degraded) for a in attempted),
        report=report,
        errors=list(summary.errors),
    )


def _believed(attempt: AttemptVerdict, metrics: Mapping[str, Metric], name: str) -> float | None:
    found = metrics.get(name)
    if found is None or found.invalid or attempt.measurement is None or not attempt.measurement.validity.ok:
        return None
    return found.value


def _values(turns: Iterable[tuple[AttemptVerdict, Turn]], name: str) -> list[float]:
    found = (_believed(attempt, turn.metrics, name) for attempt, turn in turns)
    return [value for value in found if value is not None]


def _gate(attempt: AttemptVerdict, gate_id: str) -> Status | None:
    """None if the call was not judged."""
    return next((gate.status for gate in attempt.gates if gate.gate_id == gate_id), None)


def _is_asked(attempt: AttemptVerdict, gate_id: str) -> bool:
    """Whether the call owes this gate a result. A call that was not judged does too. P1 cases have no such gate."""
    return not attempt.gates or _gate(attempt, gate_id) not in (None, Status.NOT_APPLICABLE)


def _flaky(part: PlannedPart, summary: Summary) -> list[Flake]:
    return [
        Flake(
            part=part.id,
            case=case.case_id,
            passed=sum(a.status in PASSING for a in case.attempts),
            attempts=len(case.attempts),
            failed=[a.trace_id for a in case.attempts if a.status not in PASSING],
        )
        for case in summary.cases
        if case.status is Status.FLAKY
    ]


def failures(attempts: Sequence[AttemptVerdict]) -> list[Failure]:
    """By kind, the most frequent first. An attempt counts once under each gate that it does not pass."""
    found: dict[str, list[str]] = {}
    for attempt in attempts:
        for kind in _kinds(attempt):
            found.setdefault(kind, []).append(attempt.trace_id)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Failure(kind=kind, count=len(traces), examples=traces[:EXAMPLES]) for kind, traces in ordered]


def _kinds(attempt: AttemptVerdict) -> list[str]:
    if attempt.status in (*PASSING, Status.NOT_APPLICABLE):
        return []
    if attempt.capture_status not in COMPLETE:
        return [attempt.capture_status.value]
    found = attempt.measurement
    doubted = found is not None and not found.validity.ok
    not_named = (*PASSING, Status.NOT_APPLICABLE, *((Status.INVALID,) if doubted else ()))
    kinds = [f"{gate.gate_id} {gate.status}" for gate in attempt.gates if gate.status not in not_named]
    kinds += [DOUBTED] if doubted else []
    kinds += [NOT_PROVEN] if network_status(found)[0] is Status.NOT_APPLIED else []
    return kinds or [f"{attempt.status}: {attempt.detail}".rstrip(": ")]


def added(failed: Iterable[Failure]) -> list[Failure]:
    """The failures of several parts, summed by kind."""
    traces: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for failure in failed:
        counts[failure.kind] += failure.count
        traces.setdefault(failure.kind, []).extend(failure.examples)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Failure(kind=kind, count=count, examples=traces[kind][:EXAMPLES]) for kind, count in ordered]


def acceptance(planned: Sequence[PlannedPart], results: Sequence[PartResult]) -> list[Acceptance]:
    """What the night as a whole must show. Rows that count what the parts judge take their status from the parts."""
    calls = [r for r in results if r.planned]
    if not any(part.planned for part in planned):
        return []  # only steps, which have their own verdicts
    judged = worst([r.status for r in calls if r.status not in PASSING] or [Status.NO_DATA])
    rows = [_count_row("attempts played", sum(r.played for r in calls), sum(p.planned for p in planned))]
    rows.append(_row("first attempts passed", _sum(calls, "passed"), "100 %", 1.0, judged))
    rows.append(_row("captures complete", _sum(calls, "complete"), "100 %", 1.0, judged))
    if _sum(calls, "audible").n:
        rows.append(_row("replies audible", _sum(calls, "audible"), "100 %", 1.0, judged))
    joined = _sum(calls, "joined")
    rows.append(_row("records joined by trace_id", joined, f">= {LEAST_JOINED:.0%}", LEAST_JOINED, Status.NO_DATA))
    if _sum(calls, "pre_rtc").n:
        rows.append(_row("agent's own PCM written", _sum(calls, "pre_rtc"), "100 %", 1.0, Status.NO_DATA))
    if _sum(calls, "applied").n:
        rows.append(_row("networks proven", _sum(calls, "applied"), "100 %", 1.0, Status.NOT_APPLIED))
    crashes = Counter[str]()
    for result in calls:
        crashes.update(result.crashes)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(crashes.items())) or "0"
    rows.append(Acceptance(name="crashes", shown=kinds, wanted="0", status=_crash_status(crashes)))
    flaky = sum(len(r.flaky) for r in calls)
    of_flakes = Status.FLAKY if flaky else Status.PASS
    rows.append(Acceptance(name="flaky cases", shown=str(flaky), wanted="0", status=of_flakes))
    return [*rows, webm_row(planned, results)]


def _crash_status(crashes: Mapping[str, int]) -> Status:
    if CaptureStatus.AGENT_CRASH.value in crashes:
        return Status.FAIL
    return Status.NO_DATA if crashes else Status.PASS


def _sum(results: Iterable[PartResult], name: str) -> Share:
    shares = [s for r in results if (s := getattr(r, name)) is not None]
    return share(sum(s.hits for s in shares), sum(s.n for s in shares))


def _row(name: str, found: Share, wanted: str, least: float, otherwise: Status) -> Acceptance:
    if found.value is None:
        return Acceptance(name=name, shown="nothing to count", wanted=wanted, status=Status.NO_DATA)
    return Acceptance(
        name=name, shown=shown_share(found), wanted=wanted, status=Status.PASS if found.value >= least else otherwise
    )


def _count_row(name: str, played: int, planned: int) -> Acceptance:
    status = Status.PASS if played == planned else Status.NO_DATA
    return Acceptance(name=name, shown=f"{played} of {planned}", wanted="all", status=status)


def shown_share(found: Share) -> str:
    """ "19 of 20, 95 % (75.1 to 99.9 %)"."""
    if found.value is None or found.low is None or found.high is None:
        return "–"
    between = f"{show(found.low, 'share')} to {show(found.high, 'share')}"
    return f"{found.hits} of {found.n}, {show(found.value, 'share')} ({between})"


def verdict(
    results: Sequence[PartResult],
    rows: Sequence[Acceptance],
    *,
    planned: int,
    stopped: str,
    interrupted: bool,
    strict: bool,
) -> tuple[Status, int, str]:
    """(status, exit status, one sentence). `planned`: attempts of all parts, also of those not begun."""
    statuses = [result.status for result in results] + _own(rows)
    if stopped or not results:
        statuses.append(Status.NO_DATA)
    status = worst(statuses)
    if interrupted:
        code = EXIT_INTERRUPTED
    elif status in (Status.FAIL, Status.FLAKY):
        code = EXIT_FAIL
    elif status in NOT_MEASURED:
        code = EXIT_NOT_MEASURED
    else:
        code = EXIT_FAIL if strict and status is Status.WARN else 0
    return status, code, _headline(status, results, planned, stopped)


def _own(rows: Sequence[Acceptance]) -> list[Status]:
    """The statuses of rows that do not pass; rows that count what the parts judge repeat theirs."""
    return [row.status for row in rows if row.status is not Status.PASS]


def _headline(status: Status, results: Sequence[PartResult], planned: int, stopped: str) -> str:
    played = sum(r.played for r in results)
    passed = sum(r.passed.hits for r in results if r.passed is not None)
    begin = f"PARTIAL, {stopped}; {status}" if stopped else str(status)
    parts = [f"{begin}: {passed} of {played} attempts passed" + (f" ({planned} planned)" if planned != played else "")]
    others = [f"{r.id} {r.status}" for r in results if r.status not in PASSING]
    if others:
        parts.append(", ".join(others))
    flaky = sum(len(r.flaky) for r in results)
    if flaky:
        parts.append(f"{flaky} flaky {'case' if flaky == 1 else 'cases'}")
    degraded = sum(r.degraded_turns for r in results)
    if degraded:
        parts.append(f"{degraded} {'turn' if degraded == 1 else 'turns'} {LABEL}")
    return "; ".join(parts)
