"""The figures behind the gates, one a reply: how bad each of them read, be it beyond its limit or not.

What a threshold is chosen from. A gate that counts (clicks, holes) is read by what its count rests on: the margin of the
most click-like place, the longest hole. More is worse in all of them; the limit is on the same scale.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.judge.gates import gates_for, how_bad
from harness.judge.table import BY_ID
from harness.listen.continuity import AUDIBLE_HOLE_MS, READING_ERROR_MS
from harness.model.case import Case
from harness.model.measurement import Measurement, Metric

HOLE_MS = AUDIBLE_HOLE_MS - READING_ERROR_MS
BEHIND_COUNTS: dict[str, tuple[tuple[str, ...], float]] = {  # gate → (metrics, the limit on their scale)
    "clicks": (("click_margin_db", "click_margin_ear_db", "click_margin_pre_db"), 0.0),
    "booms": (("boom_margin_db", "boom_margin_ear_db"), 0.0),
    "noise_bursts": (("noise_burst_margin_db", "noise_burst_margin_ear_db"), 0.0),
    "audible_dropout": (("max_gap_ms",), HOLE_MS),
    "ear_dropout": (("max_gap_ear_ms",), HOLE_MS),
}


def limit_of(gate_id: str) -> float:
    """On the scale of the readings."""
    gate = BY_ID[gate_id]
    return BEHIND_COUNTS[gate_id][1] if gate_id in BEHIND_COUNTS else how_bad(gate, gate.threshold)


def readings_of(case: Case, measurement: Measurement) -> dict[int | None, dict[str, float]]:
    """Reply → gate → reading; None is the call as a whole. What was not measured is not in it."""
    found: dict[int | None, dict[str, float]] = {None: _of(case, measurement.metrics, "call")}
    for turn in measurement.turns:
        found[turn.reply_seq] = _of(case, turn.metrics, "turn")
    return found


def _of(case: Case, metrics: Mapping[str, Metric], per: str) -> dict[str, float]:
    readings: dict[str, float] = {}
    for gate in gates_for(case):
        if gate.per != per:
            continue
        names, _ = BEHIND_COUNTS.get(gate.id, ((gate.metric, *gate.also), 0.0))
        values = [m.value for m in (metrics.get(name) for name in names) if m is not None and m.value is not None]
        if values:
            readings[gate.id] = round(max(how_bad(gate, value) for value in values), 4)
    return readings
