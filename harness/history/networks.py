"""A run over a bad network beside the last run of the same cases over a clean one, from the history.

Nothing may differ besides the network (`environment.KEYS`); cases are paired by what they say. Where no run fits, the
nearest is named with its differences, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from harness.history.environment import case_differences, differences
from harness.history.reading import RunRecord, latest_runs, turn_values
from harness.history.tables import Attempt, MetricRow
from harness.history.turns import same_cases
from harness.judge.network import APPLIED
from harness.judge.networks import CLEAN, ROWS, make_column
from harness.model.networks import NetworkColumn, SideBySide

PROFILE = "profile"


def beside_the_clean_link(session: Session, run: RunRecord, *, look_back: int) -> SideBySide | None:
    """None for a run over the clean link itself."""
    link, lane = run.environment[PROFILE], run.environment["lane"]
    if link in CLEAN:
        return None
    earlier = [
        other
        for other in latest_runs(session, look_back, before=run.started_at, lane=lane)
        if other.environment[PROFILE] in CLEAN and other.complete
    ]
    if not earlier:
        return SideBySide(
            lane=lane, refused=["the history holds no earlier complete run over wifi_good or without a link"]
        )
    fitting = [other for other in earlier if not _hindrances(run, other)]
    if not fitting:
        last = earlier[0]
        why = "; ".join(_hindrances(run, last))
        return SideBySide(
            lane=lane, refused=[f"no run over the clean link is comparable; the last one, {last.run_id}: {why}"]
        )
    clean = min(fitting, key=lambda other: (-len(_shared(run, other)), CLEAN.index(other.environment[PROFILE])))
    cases = _shared(run, clean)
    return SideBySide(
        lane=lane,
        columns=[_column(session, clean, cases), _column(session, run, cases)],
        cases=sorted(cases),
        left_out=[str(d) for d in case_differences(run.cases, clean.cases)],
        noted=[f"commit is {run.commit}, was {clean.commit}"] if run.commit != clean.commit else [],
    )


def _shared(run: RunRecord, other: RunRecord) -> set[str]:
    return same_cases(run.cases, other.cases)


def _hindrances(run: RunRecord, other: RunRecord) -> list[str]:
    found = [str(d) for d in differences(run.environment, other.environment)[0] if d.about != PROFILE]
    return found or ([] if _shared(run, other) else ["no case says the same on both sides"])


def _column(session: Session, run: RunRecord, cases: Collection[str]) -> NetworkColumn:
    lane = run.environment["lane"]
    wanted = [row.metric for row in ROWS[lane]]
    unproven = set(
        session.scalars(
            select(Attempt.trace_id)
            .join(MetricRow, MetricRow.attempt_id == Attempt.id)
            .where(Attempt.run_id == run.run_id, MetricRow.name == APPLIED, MetricRow.value == 0)
            .where(Attempt.case_id.in_(cases))
        )
    )
    values: dict[str, list[float]] = {}
    turns: set[tuple[str, int]] = set()
    for found in turn_values(session, [run.run_id], wanted):
        if found.case_id in cases and found.trace_id not in unproven:
            values.setdefault(found.metric, []).append(found.value)
            turns.add((found.trace_id, found.utterance))
    return make_column(
        run.run_id, run.environment[PROFILE], run.started_at, values, lane, turns=len(turns), unproven=len(unproven)
    )
