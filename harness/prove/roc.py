"""Where each threshold stands between clean replies and faulty ones: ROC, its area, and the room on either side.

The readings behind the gates (`readings`) of clean replies are compared with those of one fault at one severity. The area
under the curve is the Mann-Whitney U over n·m (Hanley and McNeil 1982): the share of pairs in which the faulty reply reads
worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from harness.judge.gates import OPS
from harness.judge.table import BY_ID, Op
from harness.prove.catalogue import Fault
from harness.prove.readings import limit_of, row_read
from harness.prove.trials import CLEAN, Trial

HELD: dict[Op, Op] = {"<=": "<=", "<": "<", ">=": "<=", "==": "<="}  # on the readings' scale, on which more is worse
LEAST_TRIALS = 5
MOST_POINTS = 200


@dataclass(frozen=True)
class Roc:
    """One gate, one fault at one severity. Any threshold from `clean_worst` to below `faulty_best` separates."""

    gate: str
    fault: str
    where: str
    severity: float
    unit: str
    limit: float
    n_clean: int
    n_faulty: int
    clean_worst: float
    faulty_best: float
    area: float
    true_positive_rate: float  # at the limit
    false_positive_rate: float
    at_limit: bool  # this severity is the fault's stated limit
    thresholds: tuple[float, ...]
    curve: tuple[tuple[float, float], ...]  # (false positive rate, true positive rate) at each threshold


def rocs(fault: Fault, trials: Sequence[Trial], clean: Sequence[Trial]) -> list[Roc]:
    """One for each place and severity with enough trials, live and offline together: that of the best gate there.

    Other gates detect a fault before the tap than behind it.
    """
    found = []
    for where in fault.where:
        for severity in fault.ladder:
            mine = [t for t in trials if (t.where, t.severity) == (where, severity) and t.audible]
            tried = [
                r for gate in fault.gates if (r := _of_gate(gate, fault, where, severity, mine, clean)) is not None
            ]
            if tried:
                found.append(max(tried, key=lambda r: (r.area, r.true_positive_rate)))
    return found


def _of_gate(
    gate_id: str, fault: Fault, where: str, severity: float, trials: Sequence[Trial], clean: Sequence[Trial]
) -> Roc | None:
    calm = [t.readings[gate_id] for t in clean if gate_id in t.readings]
    read = [t.readings[gate_id] for t in trials if gate_id in t.readings]
    if gate_id not in BY_ID or len(read) < LEAST_TRIALS or len(calm) < LEAST_TRIALS:
        return None
    return roc(gate_id, fault, where, severity, calm, read)


def roc(
    gate_id: str, fault: Fault, where: str, severity: float, clean: Sequence[float], faulty: Sequence[float]
) -> Roc:
    calm, ill = np.asarray(clean, np.float64), np.asarray(faulty, np.float64)
    limit = limit_of(gate_id)
    thresholds = np.unique(np.concatenate([calm, ill]))
    if len(thresholds) > MOST_POINTS:
        thresholds = np.quantile(thresholds, np.linspace(0, 1, MOST_POINTS))
    curve = [(float(np.mean(calm > t)), float(np.mean(ill > t))) for t in thresholds]
    return Roc(
        gate=gate_id,
        fault=fault.id,
        where=where,
        severity=severity,
        unit=fault.unit,
        limit=limit,
        n_clean=len(calm),
        n_faulty=len(ill),
        clean_worst=float(calm.max()),
        faulty_best=float(ill.min()),
        area=float(mannwhitneyu(ill, calm).statistic) / (len(calm) * len(ill)),
        true_positive_rate=float(np.mean(_beyond(gate_id, limit, ill))),
        false_positive_rate=float(np.mean(_beyond(gate_id, limit, calm))),
        at_limit=severity == fault.limit,
        thresholds=tuple(float(t) for t in thresholds),
        curve=tuple(curve),
    )


def _beyond(gate_id: str, limit: float, readings: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    held = OPS[HELD[row_read(gate_id).op]]
    return np.array([not held(float(reading), limit) for reading in readings], np.bool_)


def clean_of(trials: Sequence[Trial]) -> list[Trial]:
    """Clean turns that count: valid, and nothing in the call itself shows a defect."""
    return [
        t for t in trials if t.fault == CLEAN and t.believed and t.capture_status == "OK" and not t.shown_by_the_call
    ]
