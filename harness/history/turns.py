"""From the history's rows to `judge.comparison`'s input: for each metric the turns of some runs, with their labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from harness.history.reading import TurnValue
from harness.judge.resampling import Turns


def turns_by_metric(values: Iterable[TurnValue], cases: Collection[str] | None = None) -> dict[str, Turns]:
    """`cases`: only turns of these. A cell is a case and a user's utterance in it, so that the same words are paired."""
    rows: dict[str, list[TurnValue]] = {}
    for value in values:
        if cases is None or value.case_id in cases:
            rows.setdefault(value.metric, []).append(value)
    return {
        metric: Turns(
            np.array([row.value for row in found], dtype=np.float64),
            np.array([row.run_id for row in found]),
            np.array([f"{row.case_id}:{row.utterance}" for row in found]),
        )
        for metric, found in rows.items()
    }


def same_cases(now: Mapping[str, str | None], then: Mapping[str, str | None]) -> set[str]:
    """Cases with the same speech on both sides, to the sample."""
    return {case for case, said in now.items() if said is not None and then.get(case) == said}
