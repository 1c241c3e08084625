"""Write runs into the history: each attempt as soon as it is judged, whole, in one transaction of its own.

A kill therefore loses at most the attempt in progress, and its recordings are still in the run folder. Writing the same
attempt again changes nothing; writing it with other numbers (it was measured again) replaces the old ones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, select

from harness.history.database import History
from harness.history.tables import Attempt, GateRow, MetricRow, Run, TurnRow
from harness.model.capture import Manifest
from harness.model.limits import SHIPPED, Limits
from harness.model.machine import machine_class
from harness.model.measurement import Metric
from harness.model.verdict import AttemptVerdict, GateResult, Summary

Written = Literal["added", "replaced", "unchanged"]
DIRTY = "-dirty"
DEGRADED = "degraded"  # a metric's name: 1 for a turn in which an engine's reserve worked, with the agent's reasons


@dataclass(frozen=True)
class RunInfo:
    """What a run's first attempt already shows."""

    manifest: Manifest  # that of any attempt
    started_at: str
    suite: str
    folder: str | None
    ears: str | None  # which listening code measures it; None: not recorded
    machine: str | None = None  # the user's own name for the class of machine
    limits: Limits = SHIPPED


@dataclass(frozen=True)
class AttemptInfo:
    verdict: AttemptVerdict
    case_id: str
    case_hash: str | None


def record_attempt(history: History, run: RunInfo, attempt: AttemptInfo) -> Written:
    """One transaction. Raises HistoryError."""
    content = _content(attempt)
    with history.writing() as session:
        if session.get(Run, run.manifest.run_id) is None:
            session.add(_run_row(run))
            session.flush()
        there = session.scalar(select(Attempt).where(Attempt.trace_id == attempt.verdict.trace_id))
        if there is not None and there.content == content:
            return "unchanged"
        if there is not None:
            session.delete(there)
            session.flush()
        session.add(_attempt_row(run.manifest.run_id, attempt, content))
    return "replaced" if there is not None else "added"


def finish_run(history: History, summary: Summary, *, ears: str | None) -> None:
    """The run's own verdict and its gates over all attempts, in one transaction. Raises HistoryError."""
    with history.writing() as session:
        run = session.get(Run, summary.run_id)
        if run is None:
            return  # no attempt of it was recorded: nothing was measured
        run.started_at = summary.started_at
        run.finished_at = summary.finished_at
        run.status = summary.status.value
        run.complete = summary.complete
        run.exit_code = summary.exit_code
        run.suite = summary.suite
        run.wall_s = summary.wall_s
        run.first_attempt_pass_rate = summary.first_attempt_pass_rate
        run.ears = ears
        session.execute(delete(GateRow).where(GateRow.run_id == summary.run_id, GateRow.attempt_id.is_(None)))
        session.add_all(_gate_row(summary.run_id, gate) for gate in summary.gates)


def _content(attempt: AttemptInfo) -> str:
    """Hash of an attempt. Pictures come later and do not count. Newer fields count only where they have content: without
    DEGRADED turns or own limits, the hash stays as in older versions.
    """
    verdict = attempt.verdict.model_copy(update={"pictures": []})
    added = {"shipped": True, "limit_note": True}
    without: dict[str, Any] = {} if verdict.degraded else {"degraded": True}
    if not any(gate.limit_note for gate in verdict.gates):
        without["gates"] = {"__all__": added}
    said = verdict.model_dump_json(exclude=without) + (attempt.case_hash or "")
    return hashlib.sha256(said.encode()).hexdigest()


def _run_row(run: RunInfo) -> Run:
    manifest = run.manifest
    commit = manifest.versions.get("commit")
    return Run(
        run_id=manifest.run_id,
        started_at=run.started_at,
        finished_at=None,
        status=None,
        complete=None,
        exit_code=None,
        suite=run.suite,
        lane=manifest.lane,
        mic=manifest.mic,
        link=manifest.link,
        agent=manifest.agent.model_dump(mode="json"),
        page=manifest.page.model_dump(mode="json"),
        machine_class=run.machine or machine_class(manifest.host),
        commit=commit.removesuffix(DIRTY) if commit is not None else None,
        dirty=commit.endswith(DIRTY) if commit is not None else None,
        ears=run.ears,
        versions=dict(manifest.versions),
        host=dict(manifest.host),
        folder=run.folder,
        limits={} if run.limits.shipped else run.limits.model_dump(mode="json"),
        wall_s=None,
        first_attempt_pass_rate=None,
    )


def _attempt_row(run_id: str, attempt: AttemptInfo, content: str) -> Attempt:
    verdict = attempt.verdict
    measured = verdict.measurement
    row = Attempt(
        run_id=run_id,
        trace_id=verdict.trace_id,
        case_id=attempt.case_id,
        case_hash=attempt.case_hash,
        attempt=verdict.attempt,
        status=verdict.status.value,
        capture_status=verdict.capture_status.value,
        detail=verdict.detail,
        valid=measured.validity.ok if measured is not None else None,
        doubts=list(measured.validity.reasons) if measured is not None else [],
        wall_s=verdict.wall_s,
        content=content,
    )
    replies: dict[int | None, TurnRow] = {}
    for turn in measured.turns if measured is not None else ():
        turn_row = replies[turn.reply_seq] = TurnRow(reply_seq=turn.reply_seq, utterance=turn.utterance)
        row.turns.append(turn_row)
        row.metrics += [_metric_row(name, metric, turn_row) for name, metric in turn.metrics.items()]
    if measured is not None:
        row.metrics += [_metric_row(name, metric, None) for name, metric in measured.metrics.items()]
    for degraded in verdict.degraded:
        degraded_metric = Metric(value=1.0, reason="; ".join(degraded.notes))
        row.metrics.append(_metric_row(DEGRADED, degraded_metric, replies.get(degraded.reply_seq)))
    row.gates = [_gate_row(run_id, gate) for gate in verdict.gates]
    return row


def _metric_row(name: str, metric: Metric, turn: TurnRow | None) -> MetricRow:
    return MetricRow(
        name=name,
        value=metric.value,
        unit=metric.unit,
        uncertainty=metric.uncertainty,
        reason=metric.reason,
        invalid=metric.invalid,
        not_applicable=metric.not_applicable,
        turn=turn,
    )


def _gate_row(run_id: str, gate: GateResult) -> GateRow:
    fields: dict[str, Any] = {
        name: getattr(gate, name) for name in ("gate_id", "blocking", "value", "threshold", "op", "unit", "n", "reason")
    }
    fields["limit_note"] = gate.limit_note
    would_be = gate.would_be.value if gate.would_be is not None else None
    return GateRow(run_id=run_id, status=gate.status.value, would_be=would_be, **fields)
