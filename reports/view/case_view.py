"""The page's view of a case: its attempts, their turns, and where the time of each turn went. Text is raw.

Segments of a waterfall's bar are percent of the sum of its positive steps, as CSS wants them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.judge.degraded import degraded_in_words
from harness.judge.numbers import show
from harness.judge.verdict import explain
from harness.model.measurement import Defect, Measurement, Turn
from harness.model.status import SEVERITY, Status
from harness.model.verdict import AttemptVerdict, CaseVerdict
from reports.view.degraded import notes_of
from reports.view.heard import BORN, INAUDIBLE, LATENCY, badness, doubt, first_latency
from reports.view.likeness import of_a_failing_reply
from reports.view.words import Words, read_script

MOST_ATTEMPTS = 10  # of a case, shown with their turns; a night has hundreds
STEP_COLOURS = 9  # in report.css
UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Step:
    """One part of the wait. `width`: that of its segment; None without one (a step of 0 ms or less)."""

    name: str
    shown: str
    colour: str
    width: str | None


@dataclass(frozen=True)
class DefectLine:
    text: str
    audible: bool


@dataclass(frozen=True)
class TurnBlock:
    title: str
    kpi: str
    kpi_note: str
    degraded: str  # why; "" if it was not
    words: Words
    steps: tuple[Step, ...]
    total: str
    bar_alt: str
    bar_note: str
    defects: tuple[DefectLine, ...]
    likeness: str


@dataclass(frozen=True)
class AttemptBlock:
    number: str
    status: Status
    capture: str
    detail: str
    folder: str
    problems: tuple[str, ...]
    happenings: tuple[str, ...]
    turns: tuple[TurnBlock, ...]


@dataclass(frozen=True)
class CaseBlock:
    case_id: str
    title: str
    tier: str
    status: Status
    reason: str
    kpi: str
    tally: str
    degraded: str
    attempts: tuple[AttemptBlock, ...]
    left_out: str


def view_case(case: CaseVerdict, run_dir: Path) -> CaseBlock:
    ordered = sorted(case.attempts, key=lambda attempt: SEVERITY.index(attempt.status))
    shown, rest = ordered[:MOST_ATTEMPTS], ordered[MOST_ATTEMPTS:]
    turns = [(a, a.measurement, turn) for a in case.attempts if a.measurement for turn in a.measurement.turns]
    values = [kpi for kpi in (_kpi(*place)[0] for place in turns) if kpi != "–"]
    audible = sum(badness(turn)[0] for _, _, turn in turns)
    return CaseBlock(
        case_id=case.case_id,
        title=case.title,
        tier=case.tier.value,
        status=case.status,
        reason=case.reason,
        kpi=f"{len(values)} turns timed" if len(values) > MOST_ATTEMPTS else ", ".join(values) or "not timed",
        tally=f"{_count(audible, 'audible defect')} in {_count(len(turns), 'turn')}",
        degraded=degraded_in_words(case.attempts),
        attempts=tuple(_attempt(attempt, run_dir) for attempt in shown),
        left_out=_left_out(rest),
    )


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _left_out(rest: list[AttemptVerdict]) -> str:
    if not rest:
        return ""
    counts = ", ".join(
        f"{sum(a.status is status for a in rest)} {status}"
        for status in SEVERITY
        if any(a.status is status for a in rest)
    )
    return f"{len(rest)} more attempts are in summary.json: {counts}."


def _attempt(attempt: AttemptVerdict, run_dir: Path) -> AttemptBlock:
    script = read_script(run_dir / attempt.folder)
    said: dict[str, list[str]] = {}  # one reason often holds for many gates
    for gate in attempt.gates:
        if gate.status not in (Status.PASS, Status.NOT_APPLICABLE):
            said.setdefault(f"{gate.status}: {explain(gate)}", []).append(gate.gate_id)
    measurement = attempt.measurement
    turns = measurement.turns if measurement is not None else []
    return AttemptBlock(
        number=str(attempt.attempt),
        status=attempt.status,
        capture=attempt.capture_status.value,
        detail=attempt.detail,
        folder=attempt.folder,
        problems=tuple(f"{', '.join(gates)} {text}" for text, gates in said.items()),
        happenings=tuple(measurement.happenings) if measurement is not None else (),
        turns=tuple(_turn(attempt, measurement, turn, script.of(turn)) for turn in turns if measurement is not None),
    )


def _asked(turn: Turn) -> str:
    if turn.utterance is not None:
        return f"to utterance {turn.utterance}"
    return "a greeting" if turn.greeting else "nobody asked for it"


def _turn(attempt: AttemptVerdict, measurement: Measurement, turn: Turn, words: Words) -> TurnBlock:
    kpi, note = _kpi(attempt, measurement, turn)
    steps = _steps(turn)
    known = [step.ms for step in turn.waterfall if step.ms is not None]
    return TurnBlock(
        title=f"Reply {turn.reply_seq}, {_asked(turn)}",
        kpi=kpi,
        kpi_note=note,
        degraded=notes_of(attempt, turn),
        words=words,
        steps=steps,
        total=show(sum(known), "ms") if known else "–",
        bar_note="What is less than nothing is in the sum, but not drawn." if min(known, default=0) < 0 else "",
        bar_alt=", ".join(f"{step.name} {step.shown}" for step in steps if step.width is not None),
        defects=_defects(turn),
        likeness=of_a_failing_reply(attempt, measurement, turn),
    )


def _kpi(attempt: AttemptVerdict, measurement: Measurement, turn: Turn) -> tuple[str, str]:
    """(the lane's first latency, what limits it)."""
    gate_id = "user_kpi" if measurement.lane == "browser" else "eot_to_first_audio"
    limits = [gate.threshold for gate in attempt.gates if gate.gate_id == gate_id]
    metric = first_latency(measurement, turn)
    if metric is None or metric.value is None:
        return "–", metric.reason if metric is not None else f"{LATENCY[measurement.lane]} was not measured"
    within = f" ±{metric.uncertainty:g}" if metric.uncertainty is not None else ""
    reasons = doubt(measurement, metric)
    shown = show(metric.value, "ms", beside=limits) + within
    return (f"{shown} !", f"not to be believed: {reasons}") if reasons else (shown, "")


def _steps(turn: Turn) -> tuple[Step, ...]:
    whole = sum(step.ms for step in turn.waterfall if step.ms is not None and step.ms > 0)
    return tuple(
        Step(
            name=step.name,
            shown=show(step.ms, "ms") if step.ms is not None else f"not known: {step.reason}",
            colour="u" if step.name == UNEXPLAINED else str(number % STEP_COLOURS),
            width=f"{100 * step.ms / whole:.3f}" if step.ms is not None and step.ms > 0 else None,
        )
        for number, step in enumerate(turn.waterfall)
    )


def _defects(turn: Turn) -> tuple[DefectLine, ...]:
    """Audible defects first, the longest ahead."""
    ordered = sorted(turn.defects, key=lambda defect: (defect.kind == INAUDIBLE, -defect.duration_ms))
    return tuple(DefectLine(_in_words(defect), defect.kind != INAUDIBLE) for defect in ordered)


def _in_words(defect: Defect) -> str:
    where = f"in {defect.ring} at {defect.start_ms / 1e3:.3f} s"
    what = f"{defect.kind} of {show(defect.duration_ms, 'ms')} {where}"
    return "; ".join(filter(None, [what, f"born {BORN[defect.born]}", defect.detail, defect.evidence]))
