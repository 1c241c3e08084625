"""The table of gates as the judge has it, each row with what was proven of it: facts under the headings of reference/gates.md.

What a gate means stands in the page; what it is set to stands here, so that the two cannot differ.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from harness.judge.fixes import FIXES
from harness.judge.limits import FIELD
from harness.judge.numbers import show_limit
from harness.judge.table import TABLE, Gate
from harness.model.case import Case
from harness.prove.catalogue import CATALOGUE, Fault
from scripts.docs_site.markdown import code, table

RINGS = {"agent": "in the agent", "1": "at the second listener", "2": "at the user's own listener"}
AGGREGATES = {
    "p95": "95th percentile of the turns",
    "p95_abs": "95th percentile of the turns, without sign",
    "max": "the largest",
    "max_abs": "the largest, without sign",
    "min": "the smallest",
    "sum": "the sum",
    "share": "the share",
}
HEADING = re.compile(r"^### `(\w+)`.*$", re.MULTILINE)
RESTS_ON = "[how it measures](../why/how_it_measures.md) says what it rests on"
CALIBRATED = (  # by delays that are known, instead of faults
    "known delays: 0.4 ms off at P95 in both lanes, onsets of speech 0.8 ms ([calibration](../why/calibration_figures.md))"
)
BY_KNOWN_DELAYS = ("eot_to_first_audio", "user_kpi")
WHERE = {"pre": "in what is published", "post": "on the way", "ear": "at the ear"}
FIGURES = Path("why/proof_figures.md")


def overview() -> str:
    rows = [
        (
            f"[`{gate.id}`](#{gate.id})",
            gate.title,
            _limit(gate),
            "blocks" if gate.blocking else "warns",
            RINGS[gate.ring],
        )
        for gate in TABLE
    ]
    return table(("gate", "what it judges", "limit", "", "heard"), rows)


def with_facts(page: str, docs: Path) -> str:
    """`page` with the facts of each gate under its heading. Raises ValueError if a gate has no heading, or a heading no gate."""
    wanted, found = [gate.id for gate in TABLE], HEADING.findall(page)
    if sorted(wanted) != sorted(found):
        missing, unknown = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise ValueError(f"reference/gates.md: no heading for {missing}, no gate for {unknown}")
    by_id = {gate.id: gate for gate in TABLE}
    heads = list(HEADING.finditer(page))
    text = page[: heads[0].start()]
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        body = page[head.end() : after.start() if after is not None else len(page)]
        prose, group, rest = body.partition("\n## ")
        gate = by_id[head.group(1)]
        text += f"### `{gate.id}` {{#{gate.id}}}{prose.rstrip()}\n\n{_facts(gate, docs)}\n\n{group.lstrip()}{rest}"
    return text


def _facts(gate: Gate, docs: Path) -> str:
    rings = ", ".join(code(name) for name in (gate.metric, *gate.also))
    lines = [
        f"- **Limit:** {AGGREGATES[gate.aggregate]} {_limit(gate)}{_field(gate)}; {'blocks' if gate.blocking else 'warns'}",
        f"- **Metric:** {rings} of each {gate.per}, {RINGS[gate.ring]}" + (f", in {gate.unit}" if gate.unit else ""),
        f"- **Judges:** {_scope(gate)}",
        f"- **Proven:** {_proven(gate, docs)}",
    ]
    if gate.id in FIXES:
        lines.append(f"- **If it fails:** {FIXES[gate.id]}")
    return "\n".join(lines)


def _limit(gate: Gate) -> str:
    if gate.id in ("reply_not_short", "reply_not_long"):
        return f"{gate.op} the case's `{'min' if gate.op == '>=' else 'max'}_reply_ms`"
    return code(show_limit(gate.op, gate.threshold, gate.unit))


def _field(gate: Gate) -> str:
    return f" (profile `field`: {FIELD[gate.id]:g} {gate.unit})" if gate.id in FIELD else ""


def _scope(gate: Gate) -> str:
    """Which cases, found by asking the row itself."""

    def asks(**keys: object) -> bool:
        case = {"id": "x", "title": "x", "tier": "P0", "speech": {"utterances": []}, **keys}
        return gate.scope(Case.model_validate(case))

    if not asks():
        if asks(interrupts=True):
            return "cases with `interrupts: true`"
        if asks(greeting="required"):
            return "cases with `greeting: required`"
        return "cases with `expect_reply: false` or `greeting: none`"
    words = ["every case" if asks(tier="P1") else "P0 cases"]
    if not asks(expect_reply=False):
        words.append("in which a reply is due")
    if not asks(talk_over_allowed=True):
        words.append("without `talk_over_allowed`")
    return " ".join(words)


def _proven(gate: Gate, docs: Path) -> str:
    faults = [fault for fault in CATALOGUE if gate.id in fault.gates]
    if gate.id in BY_KNOWN_DELAYS:
        return CALIBRATED
    if not faults:
        return f"no fault of the catalogue is made for it alone; {RESTS_ON}"
    return "; ".join(_heard(fault, docs) for fault in faults) + " ([figures](../why/proof_figures.md))"


def _heard(fault: Fault, docs: Path) -> str:
    rates = [f"{rate} {WHERE[where]}" for name, where, rate in _live(docs) if name == fault.id]
    at = f"{fault.limit:g} {fault.unit}".strip()
    return f"`{fault.id}` from {at} on, heard in {', '.join(rates)}" if rates else f"`{fault.id}` from {at} on"


@lru_cache
def _live(docs: Path) -> list[tuple[str, str, str]]:
    """(fault, where, how often it was heard) of the live table in the figures."""
    table_text = (docs / FIGURES).read_text(encoding="utf-8").partition("| fault | where | at its limit |")[2]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in table_text.split("\n\n")[0].splitlines()]
    return [(row[0], row[1], row[3]) for row in rows if len(row) >= 5 and row[0][:1].isalpha()]
