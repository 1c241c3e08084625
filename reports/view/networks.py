"""Networks side by side, as rows of text: one column a network, the clean link first. Pure; the renderer escapes the text.

The columns come from a run's own record of a clean run in its history, or from the verdicts of several runs. Runs that also
differ in lane, microphone, agent, page or machine are refused: the view says which and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.networks import ROWS, Row, clean_first, column_of
from harness.judge.numbers import show
from harness.model.networks import Figure, NetworkColumn, SideBySide
from harness.model.verdict import Summary

Said = Mapping[str, str | None]  # case → hash of what it says; None: not known
NO_NUMBER = "–"
COLUMN_EM = 8
CAUTION = (
    "Median, and P95 (below 20 turns the maximum), each with its n. The table holds no statistics: a small difference between "
    "two columns may be chance."
)


@dataclass(frozen=True)
class NetworksView:
    """`headings`: network and run, a column each; `rows`: a name and a cell a column."""

    headings: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    cases: str
    left_out: tuple[str, ...]
    noted: tuple[str, ...]
    refused: tuple[str, ...]
    width_em: str  # below it the table scrolls sideways
    caution: str = CAUTION


def networks_view(found: SideBySide | None) -> NetworksView | None:
    """None where there is no other network to compare."""
    if found is None:
        return None
    columns = found.columns
    rows = [_row(row, columns) for row in ROWS[found.lane]]
    if any(column.unproven for column in columns):
        rows.append(("attempts left out: network not proven", tuple(str(column.unproven) for column in columns)))
    return NetworksView(
        headings=tuple((_name(column.link), column.run_id) for column in columns),
        rows=(("turns", tuple(str(column.turns) for column in columns)), *rows) if columns else (),
        cases=", ".join(found.cases),
        left_out=tuple(found.left_out),
        noted=tuple(found.noted),
        refused=tuple(found.refused),
        width_em=str(COLUMN_EM * (1 + len(columns))),
    )


def side_by_side(summaries: Sequence[Summary], said: Sequence[Said]) -> SideBySide | None:
    """Several runs side by side; None if all used one network. `said`: that of each run, in the same order."""
    if len({summary.link for summary in summaries}) < 2:
        return None
    first = summaries[0]
    refused = [
        f"{summary.run_id}: {name} is {read(summary)}, {first.run_id} has {read(first)}"
        for summary in summaries[1:]
        for name, read in MUST_AGREE.items()
        if read(summary) != read(first)
    ]
    shared, left_out = _shared_cases(summaries, said)
    if not refused and not shared:
        refused = ["no case says the same in all of these runs", *left_out]
    if refused:
        return SideBySide(lane=first.lane, refused=refused)
    return SideBySide(
        lane=first.lane,
        columns=clean_first(column_of(summary, shared) for summary in summaries),
        cases=shared,
        left_out=left_out,
        noted=_versions(summaries),
    )


def _host(summary: Summary) -> str:
    host = summary.environment.get("host")
    known = host if isinstance(host, dict) else {}
    return ", ".join(str(known.get(key, "not recorded")) for key in ("system", "machine", "cpu_count"))


MUST_AGREE: Mapping[str, Callable[[Summary], str]] = {
    "lane": lambda summary: summary.lane,
    "microphone": lambda summary: summary.mic,
    "agent": lambda summary: f"{summary.agent.kind} {summary.agent.spec}".strip(),
    "page": lambda summary: summary.page.kind,
    "machine": _host,
}


def _shared_cases(summaries: Sequence[Summary], said: Sequence[Said]) -> tuple[list[str], list[str]]:
    """(cases that every run has with the same speech, why others are left out)."""
    names = dict.fromkeys(case.case_id for summary in summaries for case in summary.cases)
    shared, left_out = [], []
    for name in names:
        there = [any(case.case_id == name for case in summary.cases) for summary in summaries]
        hashes = {known.get(name) for known in said}
        if not all(there):
            missing = [s.run_id for s, has in zip(summaries, there, strict=True) if not has]
            left_out.append(f"case {name}: not in {', '.join(missing)}")
        elif None in hashes:
            left_out.append(f"case {name}: what it says is not known in every run")
        elif len(hashes) > 1:
            left_out.append(f"case {name}: it does not say the same in every run")
        else:
            shared.append(name)
    return shared, left_out


def _versions(summaries: Sequence[Summary]) -> list[str]:
    groups = [summary.environment.get("versions") for summary in summaries]
    known = [group if isinstance(group, dict) else {} for group in groups]
    names = dict.fromkeys(name for group in known for name in group)
    found = []
    for name in names:
        values = [str(group.get(name, "not recorded")) for group in known]
        if len(set(values)) > 1:
            found.append(f"{name} differs: {', '.join(values)}")
    return found


def _name(link: str) -> str:
    return "no link" if link == "none" else link


def _row(row: Row, columns: Sequence[NetworkColumn]) -> tuple[str, tuple[str, ...]]:
    by_column = [{figure.metric: figure for figure in column.figures} for column in columns]
    return row.title, tuple(_cell(figures.get(row.metric), row.unit) for figures in by_column)


def _cell(figure: Figure | None, unit: str) -> str:
    if figure is None or figure.n == 0:
        return NO_NUMBER
    middle = show(figure.median, unit)
    if figure.n == 1:
        return f"{middle}, n 1"
    tail = f"P95 {show(figure.p95, unit)}" if figure.p95 is not None else f"max {show(figure.max, unit)}"
    return f"{middle}, {tail}, n {figure.n}"
