"""What was heard, for the report: the defects of a turn, their counts over the run, and which turns are the worst.

Pure; times of a defect are in its ring's recording, as in the Measurement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judge.numbers import show
from harness.listen.metrics.gaps import find_packets, histogram, holes_ms
from harness.model.measurement import Born, Defect, Measurement, Metric, Turn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, GateResult, Summary
from reports.view.examined import examined, in_replies
from reports.view.markdown import plain

RINGS: tuple[Literal["pre_rtc", "post_rtc", "ear"], ...] = ("pre_rtc", "post_rtc", "ear")
BORN: dict[Born, str] = {
    "before_rtc": "in the agent, before WebRTC",
    "in_rtc": "on the way, in WebRTC",
    "at_ear": "at the ear",
    "unknown": "not known",
}
INAUDIBLE = "gap"  # a hole too short to be heard; listed, but it does not make a turn bad
MOST_DEFECTS = 12  # of a case
WORST_TURNS = 3
LATENCY = {"browser": "user_kpi_raw_ms", "bot": "eot_to_first_audio_ms"}  # a lane's first number
MOST_OF_A_TURN = 6


@dataclass(frozen=True)
class DefectRow:
    turn: str
    kind: str
    ring: str
    at: str
    duration: str
    born: str
    evidence: str


OVER_LIMIT = (Status.FAIL, Status.FLAKY, Status.WARN)


@dataclass(frozen=True)
class DefectTable:
    rows: tuple[DefectRow, ...]
    left_out: int


@dataclass(frozen=True)
class Heard:
    """`counts`: a kind, its count in each ring, and the defects' origins."""

    replies: str  # "1 reply", "12 replies"
    counts: tuple[tuple[str, ...], ...]
    worst: DefectTable  # of turns in no failing case
    holes: tuple[str, ...] = ()  # their lengths, a line a ring; empty without holes
    clean: str = ""  # what it means that no defect was found
    not_examined: str = ""


def hear(summary: Summary, shown: Sequence[AttemptVerdict]) -> Heard:
    """`shown`: attempts whose defects the report lists elsewhere."""
    measured = [a for case in summary.cases for a in case.attempts if a.measurement is not None]
    turns = [(a.measurement, turn) for a in measured if a.measurement is not None for turn in a.measurement.turns]
    listed = {attempt.trace_id for attempt in shown}
    others = [(m, turn) for m, turn in turns if m.trace_id not in listed and badness(turn) > (0, 0.0)]
    others.sort(key=lambda pair: badness(pair[1]), reverse=True)
    rows, left_out = [], 0
    for measurement, turn in others[:WORST_TURNS]:
        defects = _by_time(turn.defects)
        rows += [_row(measurement, turn, defect, named=True) for defect in defects[:MOST_OF_A_TURN]]
        left_out += len(defects[MOST_OF_A_TURN:])
    left_out += sum(len(turn.defects) for _, turn in others[WORST_TURNS:])
    looked = examined([turn for _, turn in turns])
    return Heard(
        replies=in_replies(looked.replies),
        counts=_counts(turns),
        worst=DefectTable(tuple(rows), left_out),
        holes=_holes([turn for _, turn in turns]),
        clean=plain(looked.clean_bill([f"{g.gate_id} ({g.status})" for g in summary.gates if g.status in OVER_LIMIT])),
        not_examined=plain(looked.not_examined()),
    )


def _holes(turns: Sequence[Turn]) -> tuple[str, ...]:
    """A line a ring: how many holes of which length, and the packets they come in (H-202)."""
    lines = []
    for ring in RINGS:
        durations = holes_ms(turns, ring)
        if not durations:
            continue
        bins = ", ".join(
            f"{b.count} of {b.from_ms:g} to {b.to_ms:g} ms" if b.to_ms is not None else f"{b.count} longer"
            for b in histogram(durations)
            if b.count
        )
        packets = find_packets(durations)
        words = (
            f"; **multiples of {packets.period_ms:.0f} ms** (p {packets.p_value:.1g}): an engine that delivers in packets of "
            "that length and falls behind"
            if packets is not None
            else ""
        )
        lines.append(f"{ring}: {bins}{words}")
    return tuple(lines)


def defects_of(attempt: AttemptVerdict) -> DefectTable:
    """All turns of one attempt; audible defects first where not all can be listed."""
    if attempt.measurement is None:
        return DefectTable((), 0)
    found = [(turn, defect) for turn in attempt.measurement.turns for defect in turn.defects]
    kept = sorted(found, key=lambda pair: (pair[1].kind == INAUDIBLE, -pair[1].duration_ms))[:MOST_DEFECTS]
    kept.sort(key=lambda pair: (pair[0].reply_seq, RINGS.index(pair[1].ring), pair[1].start_ms))
    rows = tuple(_row(attempt.measurement, turn, defect, named=False) for turn, defect in kept)
    return DefectTable(rows, len(found) - len(kept))


def _row(measurement: Measurement, turn: Turn, defect: Defect, *, named: bool) -> DefectRow:
    reply = f"reply {turn.reply_seq}"
    return DefectRow(
        turn=f"{plain(measurement.case_id)}, {reply}" if named else reply,
        kind=defect.kind,
        ring=defect.ring,
        at=f"{defect.start_ms / 1e3:.3f} s",
        duration=show(defect.duration_ms, "ms"),
        born=BORN[defect.born],
        evidence=plain("; ".join(filter(None, [defect.detail, defect.evidence]))),
    )


def _by_time(defects: Iterable[Defect]) -> list[Defect]:
    return sorted(defects, key=lambda d: (RINGS.index(d.ring), d.start_ms))


def badness(turn: Turn) -> tuple[int, float]:
    """Number of audible defects of a turn, and their total length in ms."""
    audible = [defect for defect in turn.defects if defect.kind != INAUDIBLE]
    return len(audible), sum(defect.duration_ms for defect in audible)


def _counts(turns: Sequence[tuple[Measurement, Turn]]) -> tuple[tuple[str, ...], ...]:
    defects = [defect for _, turn in turns for defect in turn.defects]
    kinds = Counter(defect.kind for defect in defects)
    rows = []
    for kind, _ in kinds.most_common():
        of_kind = [defect for defect in defects if defect.kind == kind]
        rings = Counter(defect.ring for defect in of_kind)
        born = Counter(defect.born for defect in of_kind)
        origins = ", ".join(f"{count} {BORN[where]}" for where, count in born.most_common())
        rows.append((kind, *(str(rings[ring]) for ring in RINGS), origins))
    return tuple(rows)


def turn_to_show(attempt: AttemptVerdict) -> Turn | None:
    """The turn that a gate failed by; else the one with the worst defects; else the slowest. None without turns."""
    turns = attempt.measurement.turns if attempt.measurement is not None else []
    if not turns:
        return None
    bad = [gate for gate in attempt.gates if gate.status not in (Status.PASS, Status.NOT_APPLICABLE)]
    bad.sort(key=lambda gate: gate.status is not attempt.status)  # stable: the table's order otherwise
    for gate in bad:
        turn = turn_of(gate, turns)
        if turn is not None:
            return turn
    return max(turns, key=lambda turn: (badness(turn), latency_ms(turn), -turn.reply_seq))


def turn_of(gate: GateResult, turns: Sequence[Turn]) -> Turn | None:
    """The turn that a gate refers to; None where it is the whole call."""
    if gate.worst_reply_seq is not None:
        return next((turn for turn in turns if turn.reply_seq == gate.worst_reply_seq), None)
    asked = [turn for turn in turns if turn.utterance is not None]
    match gate.gate_id:
        case "replies":
            return next((turn for turn in asked if turn.onset_sample is None), None)
        case "talk_over":
            return next((turn for turn in asked if _value(turn, "talk_over_ms") is not None), None)
        case "complete_reply":
            return asked[-1] if asked else None
        case _:
            return None


def latency_ms(turn: Turn) -> float:
    """A key to order turns; 0 if unknown."""
    values = [_value(turn, name) for name in ("user_kpi_raw_ms", "eot_to_first_audio_ms")]
    return max((value for value in values if value is not None), default=0.0)


def _value(turn: Turn, name: str) -> float | None:
    metric = turn.metrics.get(name)
    return metric.value if metric is not None else None


def first_latency(measurement: Measurement, turn: Turn) -> Metric | None:
    """The lane's first number of this turn."""
    return turn.metrics.get(LATENCY[measurement.lane])


def doubt(measurement: Measurement, metric: Metric) -> str:
    """Why this number is not to be believed; "" if it is."""
    reasons = [] if measurement.validity.ok else measurement.validity.reasons
    own = [metric.reason or "no reason is given"] if metric.invalid else []
    return "; ".join([*own, *reasons])
