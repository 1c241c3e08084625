"""A run beside others, for its report: what changed since the previous comparable run and since the baseline, and the KPI's
trend over the last runs.

Runs are comparable if nothing of `environment.KEYS` differs. The trend and the spread between runs come from comparable
runs that played the same cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy.orm import Session

from harness.history.baselines import BaselineRecord, newest_of_each, samples_of_baseline
from harness.history.environment import ACCEPTABLE, Difference, case_differences, differences
from harness.history.networks import beside_the_clean_link
from harness.history.promotion import limit_for
from harness.history.reading import RunRecord, TurnValue, gates_of, latest_runs, turn_values
from harness.history.tables import GateRow
from harness.history.turns import same_cases, turns_by_metric
from harness.judge.compared import METRICS, PRIMARY
from harness.judge.comparison import RUNS_FOR_SPREAD, compare
from harness.judge.limits import limits_text
from harness.judge.numbers import show_limit
from harness.judge.statistics import ENOUGH_FOR_P95, distribution
from harness.model.changes import Against, Changes, Comparison, TrendPoint
from harness.model.limits import SHIPPED

LAST_RUNS = 10  # in the trend and in the spread between runs
LOOK_BACK = 200  # runs searched to find them
IN_ORDER = ("PASS", "NOT_APPLICABLE")


def changes_of(session: Session, run: RunRecord, *, last: int = LAST_RUNS) -> Changes | None:
    """None where the history holds nothing to compare with."""
    earlier = comparable_before(session, run)
    peers = [other for other in earlier if other.cases == run.cases][:last]
    baseline = _baseline_for(session, run)
    limit, notes = limit_for(session, run.environment, run.cases)
    networks = beside_the_clean_link(session, run, look_back=LOOK_BACK)
    if not earlier and baseline is None and not notes and networks is None:
        return None
    previous = next(iter(peers or earlier), None)
    kpi = PRIMARY[run.environment["lane"]]
    pool = peers if len(peers) >= RUNS_FOR_SPREAD else earlier[:last]
    return Changes(
        kpi=kpi,
        previous=against_run(session, run, previous, pool=pool) if previous is not None else None,
        baseline=against_baseline(session, run, baseline) if baseline is not None else None,
        trend=_trend(session, [*reversed(peers), run], kpi) if peers else [],
        limit_ms=limit.limit_ms if limit is not None else None,
        notes=notes,
        networks=networks,
    )


def comparable_before(session: Session, run: RunRecord) -> list[RunRecord]:
    """Complete runs before this one in the same environment, with at least one case in common; newest first."""
    return [
        other
        for other in latest_runs(session, LOOK_BACK, before=run.started_at, lane=run.environment["lane"])
        if other.complete
        and not differences(run.environment, other.environment)[0]
        and same_cases(run.cases, other.cases)
    ]


def against_run(
    session: Session, run: RunRecord, other: RunRecord, *, pool: Sequence[RunRecord], accept: Iterable[str] = ()
) -> Against:
    """`pool`: comparable runs in which nothing is known to have changed."""
    refused, accepted = differences(run.environment, other.environment, accept)
    cases = same_cases(run.cases, other.cases)
    found = _against(f"run {other.run_id}", [other.run_id], run, other.cases, refused, accepted)
    if found.refused:
        return found
    now, then = (turn_values(session, [one.run_id], METRICS) for one in (run, other))
    spread = turn_values(session, [one.run_id for one in pool], METRICS)
    worse, better, limits = _gates(session, run, other)
    return found.model_copy(
        update={
            "comparisons": _compare(run, now, then, cases, spread),
            "noted": [
                *limits,
                *_degraded(run, other),
                *_commits(run, [_commit(other)]),
                *_versions(run, other.versions),
            ],
            "newly_failing": worse,
            "newly_passing": better,
        }
    )


def against_baseline(
    session: Session, run: RunRecord, baseline: BaselineRecord, *, accept: Iterable[str] = ()
) -> Against:
    refused, accepted = differences(run.environment, baseline.environment, accept)
    cases = same_cases(run.cases, baseline.cases)
    found = _against(f"baseline {baseline.title}", list(baseline.runs), run, baseline.cases, refused, accepted)
    if found.refused:
        return found
    now = turn_values(session, [run.run_id], METRICS)
    then = samples_of_baseline(session, baseline)
    own = [f"run {run.run_id} is part of the baseline itself"] if run.run_id in baseline.runs else []
    noted = [
        *own,
        *_limits(run, baseline),
        *_degraded(run),
        *_commits(run, baseline.about["commits"]),
        *_versions(run, baseline.about["versions"]),
    ]
    return found.model_copy(update={"comparisons": _compare(run, now, then, cases), "noted": noted})


def _limits(run: RunRecord, baseline: BaselineRecord) -> list[str]:
    """A note if the limits differ; the numbers are compared whatever limits judged them."""
    now, then = limits_text(run.limits), baseline.about.get("limits", limits_text(SHIPPED))
    return [] if now == then else [f"limits are {now}, were {then}"]


def _degraded(*runs: RunRecord) -> list[str]:
    return [
        f"{run.degraded} of the turns of run {run.run_id} {'was' if run.degraded == 1 else 'were'} DEGRADED (another "
        "engine than the configured one worked); they are counted with the others"
        for run in runs
        if run.degraded
    ]


def _against(
    what: str,
    run_ids: list[str],
    run: RunRecord,
    cases: dict[str, str | None],
    refused: list[Difference],
    accepted: list[Difference],
) -> Against:
    left_out = [str(d) for d in case_differences(run.cases, cases)]
    reasons = [str(d) for d in refused]
    if not reasons and not same_cases(run.cases, cases):
        reasons = ["no case says the same on both sides", *left_out]
    return Against(
        what=what,
        run_ids=run_ids,
        refused=reasons,
        accepted=[str(d) for d in accepted],
        left_out=left_out if not reasons else [],
    )


def _compare(
    run: RunRecord,
    now: list[TurnValue],
    then: list[TurnValue],
    cases: Collection[str],
    spread: list[TurnValue] | None = None,
) -> list[Comparison]:
    return compare(
        turns_by_metric(now, cases),
        turns_by_metric(then, cases),
        lane=run.environment["lane"],
        spread=turns_by_metric(spread, cases) if spread is not None else None,
    )


def _baseline_for(session: Session, run: RunRecord) -> BaselineRecord | None:
    """The latest baseline comparable with this run; else the latest of its lane, to say why it is not."""
    known = [b for b in newest_of_each(session) if b.environment["lane"] == run.environment["lane"]]
    fitting = [
        b for b in known if not differences(run.environment, b.environment)[0] and same_cases(run.cases, b.cases)
    ]
    return next(iter(fitting or known), None)


def _gates(session: Session, run: RunRecord, other: RunRecord) -> tuple[list[str], list[str], list[str]]:
    """(gates over the run in order then and not now, the other way round), grouped by change of status; and gates judged by
    another limit: their change says nothing about the agent.
    """
    then = {gate.gate_id: gate for gate in gates_of(session, other.run_id)}
    moved: dict[tuple[str, str], list[str]] = {}
    other_limit = []
    for gate in gates_of(session, run.run_id):
        before = then.get(gate.gate_id)
        if before is None:
            continue
        if (before.threshold, before.op) != (gate.threshold, gate.op):
            other_limit.append(f"limit of {gate.gate_id} is {_limit(gate)}, was {_limit(before)}")
        elif (before.status in IN_ORDER) != (gate.status in IN_ORDER):
            moved.setdefault((before.status, gate.status), []).append(gate.gate_id)
    said = [(now in IN_ORDER, f"{before} → {now}: {', '.join(names)}") for (before, now), names in moved.items()]
    return [text for better, text in said if not better], [text for better, text in said if better], other_limit


def _limit(gate: GateRow) -> str:
    note = f" ({gate.limit_note})" if gate.limit_note else ""
    return show_limit(gate.op, gate.threshold, gate.unit) + note


def _trend(session: Session, runs: Sequence[RunRecord], kpi: str) -> list[TrendPoint]:
    points = []
    for run in runs:
        values = distribution([v.value for v in turn_values(session, [run.run_id], [kpi])])
        points.append(
            TrendPoint(
                run_id=run.run_id,
                started_at=run.started_at,
                n_turns=values.n,
                median_ms=values.p50,
                p95_ms=values.p95 if values.n >= ENOUGH_FOR_P95 else None,
                max_ms=values.max,
                status=run.status,
                first_attempt_pass_rate=run.first_attempt_pass_rate,
                commit=_commit(run),
            )
        )
    return points


def _commit(run: RunRecord) -> str:
    return (run.commit or "not recorded") + ("-dirty" if run.dirty else "")


def _commits(run: RunRecord, then: Sequence[str]) -> list[str]:
    now = _commit(run)
    return [] if list(then) == [now] else [f"commit is {now}, was {', '.join(then)}"]


def _versions(run: RunRecord, then: dict[str, str]) -> list[str]:
    """Versions that are only shown; those that forbid a comparison were checked before."""
    names = sorted({*run.versions, *then} - {"commit", *ACCEPTABLE})
    return [
        f"{name} is {run.versions.get(name, 'not there')}, was {then.get(name, 'not there')}"
        for name in names
        if run.versions.get(name) != then.get(name)
    ]
