"""The worst moments of a run: which turns to listen to, and where in them. Pure; from the summary alone.

Worst first: turns that failed a blocking gate, turns that a gate warns of, turns that could not be judged, then turns with
audible defects, then the slowest. Times are seconds after the user's last word (see `reports.view.axis`).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.numbers import show
from harness.judge.table import BY_ID, Hear
from harness.judge.verdict import NOT_MEASURED
from harness.model.measurement import Defect, Measurement, Turn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, CaseVerdict, GateResult, Summary
from reports.view.axis import RATE_HZ, main_ring, zeros_of
from reports.view.heard import INAUDIBLE, badness, doubt, first_latency, latency_ms, turn_of

WORST_MOMENTS = 3
CONTEXT_S = 0.5  # of sound on each side of a mark: with it, even a click is cut to a second
LONGEST_CUT_S = 6.0
NO_REPLY_S = 3.0  # of silence to cut where no reply came
SHORTEST_MARK_S = 0.01
END_S = 1.0  # of a reply's end to mark


@dataclass(frozen=True)
class Mark:
    """A stretch of time in one ring, in words too."""

    ring: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Moment:
    """`start_s` to `end_s` is what is cut out; `chief` is why, `others` lie in the same cut."""

    case: CaseVerdict
    attempt: AttemptVerdict
    measurement: Measurement
    turn: Turn
    gates: tuple[GateResult, ...]  # those that this turn does not pass, worst first
    defect: Defect | None  # None: the chief mark is the wait, or the reply's end
    chief: Mark
    others: tuple[Mark, ...]
    start_s: float
    end_s: float


def worst_moments(summary: Summary, count: int = WORST_MOMENTS) -> list[Moment]:
    """At most one moment a turn."""
    found = [
        (case, attempt, attempt.measurement, turn)
        for case in summary.cases
        for attempt in case.attempts
        if attempt.measurement is not None
        for turn in attempt.measurement.turns
    ]
    found.sort(key=lambda place: _order(place[1], place[3]))
    return [_moment(*place) for place in found[:count]]


def _order(attempt: AttemptVerdict, turn: Turn) -> tuple[int, int, float, float]:
    gates = _gates_of(attempt, turn)
    defects, defects_ms = badness(turn)
    return _weight(gates[0]) if gates else 3, -defects, -defects_ms, -latency_ms(turn)


def _weight(gate: GateResult) -> int:
    if (gate.would_be or gate.status) in NOT_MEASURED:
        return 2
    return 1 if gate.status is Status.WARN else 0


def _gates_of(attempt: AttemptVerdict, turn: Turn) -> list[GateResult]:
    turns = attempt.measurement.turns if attempt.measurement is not None else []
    bad = [gate for gate in attempt.gates if gate.status not in (Status.PASS, Status.NOT_APPLICABLE)]
    return sorted((gate for gate in bad if turn_of(gate, turns) is turn), key=_weight)


def _moment(case: CaseVerdict, attempt: AttemptVerdict, measurement: Measurement, turn: Turn) -> Moment:
    gates = _gates_of(attempt, turn)
    defect = _defect_to_hear(gates, turn)
    chief = _mark_of(measurement, turn, defect) if defect is not None else None
    if chief is None:
        defect = None
        ends = bool(gates) and _hear(gates[0]) == "end"
        chief = (_the_end(measurement, turn) if ends else None) or _the_wait(measurement, turn)
    start_s, end_s = _window(chief)
    others = [mark for other in turn.defects if other is not defect and (mark := _mark_of(measurement, turn, other))]
    if defect is not None:
        wait = _the_wait(measurement, turn)
        others += [wait] if wait.start_s < wait.end_s and start_s <= 0 else []
    return Moment(
        case=case,
        attempt=attempt,
        measurement=measurement,
        turn=turn,
        gates=tuple(gates),
        defect=defect,
        chief=chief,
        others=tuple(mark for mark in others if mark.end_s > start_s and mark.start_s < end_s),
        start_s=start_s,
        end_s=end_s,
    )


def _hear(gate: GateResult) -> Hear:
    """What to listen to where the gate fails; nothing in particular for a gate unknown to this version."""
    return BY_ID[gate.gate_id].hear if gate.gate_id in BY_ID else ()


def _defect_to_hear(gates: list[GateResult], turn: Turn) -> Defect | None:
    """The longest defect of the kinds the worst gate looks for; else the longest audible one."""
    wanted = _hear(gates[0]) if gates else ()
    if wanted in ("wait", "end"):
        return None
    of_kind = [defect for defect in turn.defects if defect.kind in wanted]
    audible = [defect for defect in turn.defects if defect.kind != INAUDIBLE]
    return max(of_kind or audible, key=lambda defect: defect.duration_ms, default=None)


def _mark_of(measurement: Measurement, turn: Turn, defect: Defect) -> Mark | None:
    zero = zeros_of(measurement, turn).get(defect.ring)
    if zero is None:
        return None  # the reply was not found in that ring: there is no common axis
    start_s = defect.start_ms / 1e3 - zero / RATE_HZ
    length_s = max(defect.duration_ms / 1e3, SHORTEST_MARK_S)
    return Mark(defect.ring, start_s, start_s + length_s, f"{defect.kind} of {show(defect.duration_ms, 'ms')}")


def _the_wait(measurement: Measurement, turn: Turn) -> Mark:
    """From the user's last word to the agent's first sound, or the other way round; as measured, where possible."""
    ring = main_ring(measurement)
    zero = zeros_of(measurement, turn)[ring]
    if turn.mic_end_sample is None:  # time 0 is the reply's own start
        span = turn.spans.get(ring)
        length_s = (span.end - zero) / RATE_HZ if span is not None else NO_REPLY_S
        asked = turn.utterance is not None
        text = "where the user's turn ends is not known" if asked else "a reply that answers no turn of the user's"
        return Mark(ring, 0.0, max(length_s, SHORTEST_MARK_S), text)
    if turn.onset_sample is None:
        return Mark(ring, 0.0, NO_REPLY_S, "no reply is heard")
    onset_s = (turn.onset_sample - zero) / RATE_HZ
    return Mark(ring, min(0.0, onset_s), max(0.0, onset_s), _wait_in_words(measurement, turn))


def _the_end(measurement: Measurement, turn: Turn) -> Mark | None:
    ring = main_ring(measurement)
    span, length = turn.spans.get(ring), turn.metrics.get("reply_ms")
    if span is None:
        return None
    end_s = (span.end - zeros_of(measurement, turn)[ring]) / RATE_HZ
    start_s = max(end_s - END_S, end_s - (span.end - span.start) / RATE_HZ)
    words = f" after {show(length.value, 'ms')}" if length is not None and length.value is not None else ""
    return Mark(ring, start_s, max(end_s, start_s + SHORTEST_MARK_S), f"the reply ends{words}")


def _wait_in_words(measurement: Measurement, turn: Turn) -> str:
    metric = first_latency(measurement, turn)
    if metric is None or metric.value is None:
        reason = metric.reason if metric is not None else "there is no such metric in the measurement"
        return f"the wait was not timed: {reason}"
    wait = f"{show(metric.value, 'ms')} until the agent is heard"
    if metric.value < 0:
        wait = f"the agent speaks {show(-metric.value, 'ms')} before the user's last word ends"
    return f"{wait} (not to be believed)" if doubt(measurement, metric) else wait


def _window(mark: Mark) -> tuple[float, float]:
    start_s, end_s = mark.start_s - CONTEXT_S, mark.end_s + CONTEXT_S
    return start_s, min(end_s, start_s + LONGEST_CUT_S)
