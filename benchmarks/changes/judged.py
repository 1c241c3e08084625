"""What the ears made of a changed reply: noticed or not, by which gates, named as what, blamed on what; right or wrong.

A gate counts that does not fire on the same call laid in without a change. Blocking gates notice; a warning alone does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.changes.kind import BORN, Kind, Place, Severity
from harness.judge.gates import evaluate, gates_for, samples_of
from harness.judge.nearest_fault import faults_of
from harness.model.case import Case
from harness.model.measurement import Measurement, Turn
from harness.model.status import Status

Outcome = Literal["blocked", "warned", "not measured", "silent"]
Blame = Literal["right", "mixed", "wrong", "none"]
Verdict = Literal["right", "wrong"]
UNLIKE = "unlike any known fault"


@dataclass(frozen=True)
class Fired:
    """Gates that fire on one reply or on its call. `lacking`: gates without a figure, or with one not to be believed."""

    blocking: frozenset[str] = frozenset()
    warning: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()

    def without(self, usual: Fired) -> Fired:
        return Fired(self.blocking - usual.blocking, self.warning - usual.warning, self.lacking - usual.lacking)

    def joined(self, other: Fired) -> Fired:
        return Fired(self.blocking | other.blocking, self.warning | other.warning, self.lacking | other.lacking)


@dataclass(frozen=True)
class Row:
    """One reply with one change."""

    voice: str
    trace_id: str
    lane: str
    reply: int
    kind: str
    severity: Severity
    place: Place
    due: bool
    outcome: Outcome
    blocking: tuple[str, ...]
    warning: tuple[str, ...]
    named: str
    blame: Blame
    born: tuple[str, ...]
    verdict: Verdict
    why: str


def fired_on(case: Case, measurement: Measurement) -> dict[int | None, Fired]:
    """Reply → gates; None is the call as a whole. A measurement that is not to be believed lacks all its gates."""
    found: dict[int | None, Fired] = {}
    for gate in gates_for(case, measurement):
        for sample in samples_of(gate, case, measurement):
            status = evaluate(gate, [sample]).status
            name = frozenset({gate.id})
            if status is Status.FAIL:
                one = Fired(blocking=name)
            elif status is Status.WARN:
                one = Fired(warning=name)
            elif status in (Status.NO_DATA, Status.INVALID) and gate.blocking:
                one = Fired(lacking=name)
            else:
                continue
            found[sample.reply_seq] = found.get(sample.reply_seq, Fired()).joined(one)
    return found


def rows_of(
    kind: Kind,
    severity: Severity,
    place: Place,
    voice: str,
    case: Case,
    measurement: Measurement,
    struck: Sequence[int],
    usual: tuple[Measurement, dict[int | None, Fired]],
) -> list[Row]:
    """One a struck reply. `usual`: the same call without the change."""
    fired, (before, usually) = fired_on(case, measurement), usual
    call = fired.get(None, Fired()).without(usually.get(None, Fired()))
    turns = {turn.reply_seq: turn for turn in measurement.turns}
    turns_before = {turn.reply_seq: turn for turn in before.turns}
    rows = []
    for seq in struck:
        own = fired.get(seq, Fired()).without(usually.get(seq, Fired())).joined(call)
        turn = turns.get(seq)
        born = new_births(turn, turns_before.get(seq))
        outcome, blame = outcome_of(own), blame_of(born, place)
        named = name_of(turn, measurement)
        due = kind.due(place, severity)
        why = why_wrong(kind, due, outcome, blame, own, named)
        rows.append(
            Row(
                voice, measurement.trace_id, measurement.lane, seq, kind.id, severity, place, due, outcome,
                tuple(sorted(own.blocking)), tuple(sorted(own.warning)), named, blame, born,
                "wrong" if why else "right", why,
            )
        )  # fmt: skip
    return rows


def outcome_of(fired: Fired) -> Outcome:
    if fired.blocking:
        return "blocked"
    if fired.lacking:
        return "not measured"
    return "warned" if fired.warning else "silent"


def new_births(turn: Turn | None, before: Turn | None) -> tuple[str, ...]:
    """Where the turn's defects are said to be born, without those of a kind that it has unchanged too; sorted."""
    if turn is None:
        return ()
    had = {(defect.kind, defect.ring) for defect in before.defects} if before is not None else set()
    return tuple(sorted({d.born for d in turn.defects if (d.kind, d.ring) not in had}))


def blame_of(born: Iterable[str], place: Place) -> Blame:
    """Right: the one place that is named is the one where the change was made."""
    told = set(born) - {"unknown"}
    if not told:
        return "none"
    if BORN[place] not in told:
        return "wrong"
    return "right" if len(told) == 1 else "mixed"


def name_of(turn: Turn | None, measurement: Measurement) -> str:
    """The known fault that the product names first; else that it is like none."""
    if turn is None:
        return UNLIKE
    found = faults_of(turn, measurement)
    return found[0].fault if found else UNLIKE


def why_wrong(kind: Kind, due: bool, outcome: Outcome, blame: Blame, fired: Fired, named: str) -> str:
    """What is wrong with the judgement; "" if it is right. A name is wrong that is a known fault's this is not alike."""
    never = sorted((fired.blocking | fired.warning) & set(kind.never))
    if never:
        return f"called {', '.join(never)}"
    if not due:
        return ""
    if outcome == "silent":
        return "passed silently"
    if outcome == "warned":
        return "only a warning"
    if outcome == "not measured":
        return "not measured"
    if blame != "right":
        return f"blame {blame}"
    if named not in (UNLIKE, *kind.alike):
        return f"called {named}"
    return ""
