"""Runs as the history holds them, as plain records, and the numbers of their turns.

A turn's number counts only if it is to be believed: computed, not marked invalid, of a measurement that is valid, and of a
reply to something the user said. `left_out` counts the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from harness.errors import UsageError
from harness.history.environment import environment_of
from harness.history.recording import DEGRADED
from harness.history.tables import Attempt, GateRow, MetricRow, Run, TurnRow
from harness.model.limits import Limits

IN_ORDER = ("PASS", "WARN")


@dataclass(frozen=True)
class RunRecord:
    """One run. `status` None: it never ended, or is under way. `cases`: id → hash of what it says."""

    run_id: str
    started_at: str
    status: str | None
    complete: bool | None
    suite: str
    environment: dict[str, str]
    cases: dict[str, str | None]
    n_attempts: int
    flaky: tuple[str, ...]  # cases that failed in one attempt and passed in another
    degraded: int  # turns in which an engine's reserve worked
    first_attempt_pass_rate: float | None
    commit: str | None
    dirty: bool | None
    versions: dict[str, Any]
    host: dict[str, Any]
    folder: str | None
    limits: Limits  # that judged it


@dataclass(frozen=True)
class TurnValue:
    """One number of one turn that answers the user's utterance number `utterance`."""

    run_id: str
    trace_id: str
    case_id: str
    utterance: int
    metric: str
    value: float


def read_run(session: Session, run_id: str) -> RunRecord:
    """The run with this id or unambiguous beginning of one. Raises UsageError."""
    found = session.scalars(select(Run).where(Run.run_id.startswith(run_id, autoescape=True)).limit(3)).all()
    exact = [run for run in found if run.run_id == run_id]
    if len(exact) == 1 or len(found) == 1:
        return _record(session, (exact or found)[0])
    if found:
        raise UsageError(f"run {run_id}: several begin so: {', '.join(run.run_id for run in found)}")
    raise UsageError(
        f"run {run_id}: not in the history; `earwitness history list` shows what is, `history add` takes one in"
    )


def latest_runs(session: Session, limit: int, *, before: str | None = None, lane: str | None = None) -> list[RunRecord]:
    """Newest first. `before`: only runs that started before this time."""
    wanted = select(Run).order_by(Run.started_at.desc(), Run.run_id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Run.started_at < before)
    if lane is not None:
        wanted = wanted.where(Run.lane == lane)
    return [_record(session, run) for run in session.scalars(wanted)]


def turn_values(session: Session, run_ids: Collection[str], metrics: Collection[str]) -> list[TurnValue]:
    """Every number that is to be believed, in the order of writing."""
    wanted = _of_turns(run_ids, metrics).where(
        MetricRow.value.is_not(None), MetricRow.invalid.is_(False), Attempt.valid.is_(True)
    )
    return [TurnValue(*row) for row in session.execute(wanted)]


def left_out(session: Session, run_ids: Collection[str], metric: str) -> int:
    """How many turns owe this number but have none to be believed."""
    owed = _of_turns(run_ids, [metric]).where(MetricRow.not_applicable.is_(False)).subquery()
    total = session.scalar(select(func.count()).select_from(owed)) or 0
    return total - len(turn_values(session, run_ids, [metric]))


def gates_of(session: Session, run_id: str) -> Sequence[GateRow]:
    """The gates over the run."""
    return session.scalars(
        select(GateRow).where(GateRow.run_id == run_id, GateRow.attempt_id.is_(None)).order_by(GateRow.id)
    ).all()


def _of_turns(run_ids: Collection[str], metrics: Collection[str]) -> Select[*tuple[Any, ...]]:
    return (
        select(Attempt.run_id, Attempt.trace_id, Attempt.case_id, TurnRow.utterance, MetricRow.name, MetricRow.value)
        .join(TurnRow, TurnRow.attempt_id == Attempt.id)
        .join(MetricRow, MetricRow.turn_id == TurnRow.id)
        .where(Attempt.run_id.in_(run_ids), MetricRow.name.in_(metrics), TurnRow.utterance.is_not(None))
        .order_by(MetricRow.id)
    )


def _degraded(session: Session, run_id: str) -> int:
    counted = select(func.count(MetricRow.id)).join(Attempt, MetricRow.attempt_id == Attempt.id)
    return session.scalar(counted.where(Attempt.run_id == run_id, MetricRow.name == DEGRADED)) or 0


def _record(session: Session, run: Run) -> RunRecord:
    attempts = session.execute(
        select(Attempt.case_id, Attempt.case_hash, Attempt.status)
        .where(Attempt.run_id == run.run_id)
        .order_by(Attempt.id)
    ).all()
    cases: dict[str, str | None] = {}
    passed: dict[str, set[bool]] = {}
    for case_id, hashed, status in attempts:
        cases[case_id] = hashed if cases.get(case_id, hashed) == hashed else None  # one run, two texts: not comparable
        passed.setdefault(case_id, set()).add(status in IN_ORDER)
    return RunRecord(
        run_id=run.run_id,
        started_at=run.started_at,
        status=run.status,
        complete=run.complete,
        suite=run.suite,
        environment=environment_of(
            lane=run.lane,
            mic=run.mic,
            link=run.link,
            machine=run.machine_class,
            agent=run.agent,
            page=run.page,
            versions=run.versions,
            ears=run.ears,
        ),
        cases=cases,
        n_attempts=len(attempts),
        flaky=tuple(sorted(case for case, outcomes in passed.items() if len(outcomes) == 2)),
        degraded=_degraded(session, run.run_id),
        first_attempt_pass_rate=run.first_attempt_pass_rate,
        commit=run.commit,
        dirty=run.dirty,
        versions=run.versions,
        host=run.host,
        folder=run.folder,
        limits=Limits.model_validate(run.limits),
    )
