"""Baselines: a named set of runs with its environment. Versions are added, never changed; every act is in the log.

A baseline keeps its own samples, so that its figures stay as they were when it was set, whatever happens to its runs. The runs
must be comparable among themselves, complete and in order. A new version under an old name needs a reason.
"""

from __future__ import annotations

import datetime
import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from harness.errors import UsageError
from harness.history.environment import case_differences, differences
from harness.history.reading import IN_ORDER, RunRecord, TurnValue, read_run, turn_values
from harness.history.tables import Baseline, BaselineLog, BaselineSample
from harness.judge.compared import METRICS, PRIMARY
from harness.judge.limits import highest_kpi_ms, limits_text


@dataclass(frozen=True)
class BaselineRecord:
    """One version of a baseline. `about`: commits and hosts of its runs, for a reader; not compared."""

    id: int
    name: str
    version: int
    made_at: str
    made_by: str
    reason: str
    environment: dict[str, str]
    about: dict[str, Any]
    runs: tuple[str, ...]
    cases: dict[str, str | None]

    @property
    def title(self) -> str:
        return f"{self.name} v{self.version}"


@dataclass(frozen=True)
class LogEntry:
    at: str
    by: str
    name: str
    version: int
    action: str
    reason: str
    limit_ms: float | None
    detail: dict[str, Any]


def set_baseline(session: Session, name: str, run_ids: Sequence[str], reason: str) -> BaselineRecord:
    """A new version of `name` made of these runs. Raises UsageError with every reason against it."""
    if not name or len(name) > 60:
        raise UsageError(f"baseline {name!r}: a name has 1 to 60 characters")
    before = newest(session, name)
    if before is not None and not reason.strip():
        raise UsageError(f"baseline {name}: exists as v{before.version}; a new version needs --reason")
    runs = [read_run(session, run_id) for run_id in dict.fromkeys(run_ids)]
    runs = list({run.run_id: run for run in runs}.values())
    _must_fit(name, runs)
    values = turn_values(session, [run.run_id for run in runs], METRICS)
    kpi = PRIMARY[runs[0].environment["lane"]]
    if not any(value.metric == kpi for value in values):
        raise UsageError(f"baseline {name}: no turn of these runs has {kpi}")
    row = Baseline(
        name=name,
        version=before.version + 1 if before is not None else 1,
        made_at=_now(),
        made_by=_who(),
        reason=reason,
        environment=dict(runs[0].environment),
        about=_about(runs),
        runs=[run.run_id for run in runs],
        cases={case: said for run in runs for case, said in run.cases.items()},
    )
    row.samples = [_sample(value) for value in values]
    session.add(row)
    session.flush()
    write_log(session, _record(row), "set", reason, None, {"runs": row.runs, "samples": len(values)})
    return _record(row)


def _must_fit(name: str, runs: Sequence[RunRecord]) -> None:
    """Raises UsageError unless these runs can form one baseline."""
    problems = []
    for run in runs:
        if not run.complete or run.status not in IN_ORDER:
            what = (
                "never ended" if run.complete is None else "is incomplete" if not run.complete else f"is {run.status}"
            )
            problems.append(f"run {run.run_id} {what}")
        if run.flaky:
            problems.append(f"run {run.run_id} has flaky cases ({', '.join(run.flaky)})")
        if run.degraded:
            what = f"{run.degraded} DEGRADED {'turn' if run.degraded == 1 else 'turns'}"
            problems.append(f"run {run.run_id} has {what}, which are not of the engines as configured")
    first = runs[0]
    for run in runs[1:]:
        if run.limits != first.limits:
            problems.append(
                f"run {run.run_id} was judged by limits {limits_text(run.limits)}; "
                f"run {first.run_id} by {limits_text(first.limits)}"
            )
        found, _ = differences(run.environment, first.environment)
        if found:
            problems += [f"run {run.run_id}: {d} in run {first.run_id}" for d in found]
            continue
        shared = {case for case in run.cases if case in first.cases}
        now = {case: run.cases[case] for case in shared}
        found = case_differences(now, {case: first.cases[case] for case in shared})
        problems += [f"run {run.run_id}: {d} in run {first.run_id}" for d in found]
    if problems:
        raise UsageError(f"baseline {name}: cannot be made of these runs: {'; '.join(problems)}")


def newest(session: Session, name: str) -> BaselineRecord | None:
    row = session.scalar(select(Baseline).where(Baseline.name == name).order_by(Baseline.version.desc()).limit(1))
    return _record(row) if row is not None else None


def read_baseline(session: Session, name: str) -> BaselineRecord:
    """The newest version, or `NAME@VERSION`. Raises UsageError."""
    plain, at, version = name.partition("@")
    if at and not version.isdigit():
        raise UsageError(f"baseline {name}: expected NAME or NAME@VERSION, as in main@3")
    found: BaselineRecord | None
    if at:
        row = session.scalar(select(Baseline).where(Baseline.name == plain, Baseline.version == int(version)))
        found = _record(row) if row is not None else None
    else:
        found = newest(session, plain)
    if found is None:
        names = ", ".join(session.scalars(select(Baseline.name).distinct().order_by(Baseline.name))) or "none"
        raise UsageError(f"baseline {name}: there is none of this name; known: {names}")
    return found


def newest_of_each(session: Session) -> list[BaselineRecord]:
    """The newest version of every name, latest first."""
    last = select(Baseline.name, func.max(Baseline.version).label("version")).group_by(Baseline.name).subquery()
    wanted = select(Baseline).join(last, (Baseline.name == last.c.name) & (Baseline.version == last.c.version))
    return [_record(row) for row in session.scalars(wanted.order_by(Baseline.id.desc()))]


def samples_of_baseline(session: Session, baseline: BaselineRecord) -> list[TurnValue]:
    found = session.scalars(
        select(BaselineSample).where(BaselineSample.baseline_id == baseline.id).order_by(BaselineSample.id)
    )
    return [TurnValue(s.run_id, s.trace_id, s.case_id, s.utterance, s.metric, s.value) for s in found]


def read_log(session: Session, name: str | None = None) -> list[LogEntry]:
    """Oldest first."""
    wanted = select(BaselineLog).order_by(BaselineLog.id)
    if name is not None:
        wanted = wanted.where(BaselineLog.name == name)
    return [
        LogEntry(row.at, row.by, row.name, row.version, row.action, row.reason, row.limit_ms, row.detail)
        for row in session.scalars(wanted)
    ]


def write_log(
    session: Session, baseline: BaselineRecord, action: str, reason: str, limit_ms: float | None, detail: dict[str, Any]
) -> None:
    session.add(
        BaselineLog(
            at=_now(),
            by=_who(),
            name=baseline.name,
            version=baseline.version,
            action=action,
            reason=reason,
            limit_ms=limit_ms,
            detail=detail,
        )
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _about(runs: Sequence[RunRecord]) -> dict[str, Any]:
    return {
        "commits": sorted({(run.commit or "not recorded") + ("-dirty" if run.dirty else "") for run in runs}),
        "started": [run.started_at for run in runs],
        "hosts": [dict(host) for host in {tuple(sorted(run.host.items())): run.host for run in runs}.values()],
        "versions": runs[-1].versions,
        "limits": limits_text(runs[-1].limits),
        "highest_ms": highest_kpi_ms(runs[-1].limits),
    }


def _sample(value: TurnValue) -> BaselineSample:
    return BaselineSample(
        run_id=value.run_id,
        trace_id=value.trace_id,
        case_id=value.case_id,
        utterance=value.utterance,
        metric=value.metric,
        value=value.value,
    )


def _record(row: Baseline) -> BaselineRecord:
    return BaselineRecord(
        id=row.id,
        name=row.name,
        version=row.version,
        made_at=row.made_at,
        made_by=row.made_by,
        reason=row.reason,
        environment=row.environment,
        about=row.about,
        runs=tuple(row.runs),
        cases=row.cases,
    )
