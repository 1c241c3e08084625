"""Put the limit for this run, case and path into a row of the table, and say in words whose limit it is. Pure.

The run's own limit replaces the profile's, the profile's replaces the shipped one. A P0 case may only tighten what holds so far;
what it allows beyond the run's own limit does not count. The floor of the path comes on top, then the network's allowance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

from harness.judge.numbers import plain_number, show_limit
from harness.judge.table import BY_ID, Gate
from harness.model.case import Case, Tier
from harness.model.limits import Floor, LimitProfile, Limits
from harness.model.verdict import GateResult

Lane = Literal["browser", "bot"]

# For an agent that thinks with a model, from published figures (docs/how_to/limits.md). Other gates keep the shipped limit: a
# hole or a click is one whatever thinks behind it.
FIELD: dict[str, float] = {
    # production, end to end: P50 1.5 to 1.7 s, P95 3.5 to 5 s over more than 4 million calls (hamming.ai, WebRTC guide), of which
    # the lower end; EVA gives no point from 3,500 ms on (eva, docs/metrics/turn_taking.md)
    "eot_to_first_audio": 3_500,
    "user_kpi": 3_500,
    # voice to voice is about time to first token + 500 ms (aiewf-eval README): what that leaves of the 3,500 ms
    "fast_ttft": 3_000,
    # limits in use: 600 (callback-voice), 500 (Hamming), 400 ms (voicebench's example): the loosest of them, which ships too
    "barge_in_to_silence": 600,
    # a standalone TTS begins with 150 to 250 ms of silence (aiewf-eval README)
    "leading_silence": 250,
}
PROFILES: dict[LimitProfile, dict[str, float]] = {"shipped": {}, "field": FIELD}


def loosens(gate: Gate, threshold: float) -> bool:
    """Whether `threshold` allows more than the row does."""
    if gate.op in ("<=", "<"):
        return threshold > gate.threshold
    return threshold != gate.threshold if gate.op == "==" else threshold < gate.threshold


def limited(gate: Gate, limits: Limits) -> Gate:
    """The row as this run has it, before any case's own limit."""
    if gate.id in limits.own:
        return _with(gate, limits.own[gate.id], "yours")
    value = PROFILES[limits.profile].get(gate.id)
    return gate if value is None or value == gate.threshold else _with(gate, value, f"profile {limits.profile}")


def of_case(gate: Gate, case: Case) -> Gate:
    """The row with the case's limit. A P0 case cannot exceed a limit of the run's own."""
    if gate.of_case is not None:
        return replace(gate, threshold=gate.of_case(case))
    own = case.gates_override.get(gate.id)
    if own is None or (gate.whose and case.tier is Tier.P0 and loosens(gate, own)):
        return gate
    return _with(gate, own, "the case's own")


def on_path(gate: Gate, floor: Floor | None, lane: Lane | None) -> Gate:
    """The row with the path's own delay allowed on top, where the user asked for it."""
    cost_ms = floor_ms(floor, gate, lane)
    return gate if cost_ms is None else allow(gate, cost_ms, "path")


def allow(gate: Gate, more_ms: float, what: str) -> Gate:
    """A latency's limit with `more_ms` on top, and what for."""
    so_far = gate.whose if " + " in gate.whose else f"{gate.whose or 'shipped'} {plain_number(gate.threshold)}"
    whose = f"{so_far} + {plain_number(more_ms)} ms of the {what}"
    shipped = gate.threshold if gate.shipped is None else gate.shipped
    return replace(gate, threshold=gate.threshold + more_ms, whose=whose, shipped=shipped)


def floor_ms(floor: Floor | None, gate: Gate, lane: Lane | None) -> float | None:
    if floor is None or not gate.heard_at:
        return None
    if lane == "bot":
        return floor.bot_probe_ms
    return floor.ear_ms if gate.heard_at == "ear" else floor.browser_probe_ms


def limit_note(gate: Gate) -> str:
    """Whose limit it is and what ships, for a reader; "" for the limit that ships."""
    if not gate.whose or gate.shipped is None:
        return ""
    shipped = plain_number(100 * gate.shipped if gate.unit == "share" else gate.shipped)
    return gate.whose if gate.whose.startswith("shipped ") else f"{gate.whose}; shipped {shipped}"


def limit_in_words(gate: GateResult) -> str:
    """A gate's limit as it is printed: "<= 650 ms"; one that does not ship "<= 1500 ms, yours; shipped 650"."""
    return ", ".join(filter(None, [show_limit(gate.op, gate.threshold, gate.unit), gate.limit_note]))


def highest_kpi_ms(limits: Limits) -> float:
    """The highest USER_KPI at the ear that these limits, and so a promoted baseline, may allow."""
    return on_path(limited(BY_ID["user_kpi"], limits), limits.floor, "browser").threshold


def limits_text(limits: Limits) -> str:
    """All limits that do not ship, in one line: "yours: eot_to_first_audio <= 1500 ms (shipped 650 ms)"."""
    parts = []
    if limits.profile != "shipped":
        parts.append(f"profile {limits.profile}: {_changed(PROFILES[limits.profile], limits.own)}")
    if limits.own:
        parts.append(f"yours: {_changed(limits.own)}")
    if limits.floor is not None:
        known = {
            "at the ear": limits.floor.ear_ms,
            "at the second listener": limits.floor.browser_probe_ms,
            "in the bot lane": limits.floor.bot_probe_ms,
        }
        shown = ", ".join(f"{plain_number(ms)} ms {where}" for where, ms in known.items() if ms is not None)
        parts.append(f"the path's floor on top: {shown} (calibration {limits.floor.run_id})")
    return "; ".join(parts) or "those that ship"


def _changed(values: Mapping[str, float], replaced: Collection[str] = ()) -> str:
    shown = []
    for name, value in values.items():
        gate = BY_ID[name]
        own = _with(gate, value, "")
        if name not in replaced and value != gate.threshold:
            ships = show_limit("", gate.threshold, gate.unit).strip()
            shown.append(f"{name} {show_limit(own.op, value, gate.unit)} (shipped {ships})")
    return ", ".join(shown) or "as shipped"


def _with(gate: Gate, threshold: float, whose: str) -> Gate:
    """The row with another limit. One that asks for exactly none (all) now asks for at most (at least) `threshold`.

    A sum is then judged reply by reply: no limit fits a sum over a run of any length.
    """
    shipped = gate.threshold if gate.shipped is None else gate.shipped
    changed = replace(gate, threshold=threshold, whose=whose, shipped=shipped)
    if gate.op == "==" and threshold != gate.threshold:
        changed = replace(changed, op=">=" if gate.aggregate == "share" else "<=")
        if gate.aggregate == "sum":
            changed = replace(changed, aggregate="max")
    return changed
