"""Runs side by side: their verdicts, main figures and settings, their networks, and each case. Tables, no statistics.

Text is raw: the renderer escapes it. Every figure has its n; differences in the runs' settings come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judge.limits import limits_text
from harness.judge.numbers import show
from harness.judge.verdict import NOT_MEASURED, PASSING
from harness.model.capture import write_atomic
from harness.model.status import Status
from harness.model.verdict import CaseVerdict, Distribution, Summary
from reports.render.html import write_page
from reports.view.examined import examined
from reports.view.heard import badness, doubt, first_latency
from reports.view.markdown import render_template
from reports.view.networks import NetworksView, Said, networks_view, side_by_side
from reports.view.page import TONES
from reports.view.view import believed, bot_latency, turns_of

ENOUGH_FOR_P95 = 20
NOT_THERE = "–"
COLUMN_EM = 9
HOLES = ("max_gap_ms", "max_gap_ear_ms")
CAUTION = (
    "This table holds no statistics: a difference between two columns may be chance. A run says what it says alone; whether "
    "two differ needs repeated turns."
)


@dataclass(frozen=True)
class Row:
    name: str
    cells: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class CaseCell:
    """`status` None: the run lacks this case."""

    status: Status | None
    text: str


@dataclass(frozen=True)
class Comparison:
    runs: tuple[str, ...]
    statuses: tuple[Status, ...]
    headlines: tuple[str, ...]
    figures: tuple[Row, ...]
    cases: tuple[tuple[str, tuple[CaseCell, ...]], ...]
    settings: tuple[Row, ...]
    differences: str
    width_em: str  # below it the tables scroll sideways
    networks: NetworksView | None  # None: all runs are of one network
    caution: str = CAUTION


def compare(summaries: Sequence[Summary], said: Sequence[Said] = ()) -> Comparison:
    """In the order given. `said`: hashes of each run's cases; without them networks are not put side by side."""
    settings = tuple(_row(name, read, summaries) for name, read in SETTINGS)
    settings += tuple(_row(name, _version(name), summaries) for name in _versions(summaries))
    differing = [row.name for row in settings if row.differs]
    found = f"These runs differ in: {', '.join(differing)}. A difference in a figure may come from there."
    return Comparison(
        runs=tuple(summary.run_id for summary in summaries),
        statuses=tuple(summary.status for summary in summaries),
        headlines=tuple(summary.headline for summary in summaries),
        figures=tuple(_row(name, read, summaries) for name, read in FIGURES),
        cases=_cases(summaries),
        settings=settings,
        differences=found if differing else "These runs have the same settings and versions.",
        width_em=str(COLUMN_EM * (1 + len(summaries))),
        networks=networks_view(side_by_side(summaries, said or [{} for _ in summaries])),
    )


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Raises OSError."""
    write_page(path, "comparison.html.j2", c=comparison, tones=TONES)


def write_markdown(comparison: Comparison, path: Path) -> None:
    """The same figures for a build log or a merge request. Raises OSError."""
    text = render_template("comparison.md.j2", c=comparison)
    write_atomic(path, text.encode())


def _row(name: str, read: Callable[[Summary], str], summaries: Sequence[Summary]) -> Row:
    cells = tuple(read(summary) for summary in summaries)
    return Row(name, cells, len(set(cells)) > 1)


def _passed(summary: Summary) -> str:
    return f"{sum(case.status in PASSING for case in summary.cases)} of {len(summary.cases)}"


def _middle(values: Distribution) -> str:
    return f"{show(values.p50, 'ms')} (n {values.n})" if values.n else NOT_THERE


def _tail(values: Distribution) -> str:
    if values.n == 0:
        return NOT_THERE
    few = values.n < ENOUGH_FOR_P95
    return f"max of {values.n}: {show(values.max, 'ms')}" if few else f"{show(values.p95, 'ms')} (n {values.n})"


def _gates(*statuses: Status) -> Callable[[Summary], str]:
    def read(summary: Summary) -> str:
        found = [gate.gate_id for gate in summary.gates if gate.status in statuses]
        return ", ".join(found) or "none"

    return read


def _audible(summary: Summary) -> str:
    turns = turns_of(summary)
    if not turns:
        return NOT_THERE
    looked = examined(turns)
    partly = "" if looked.all_of_it else f" ({', '.join(looked.whole) or 'nothing'} examined in all)"
    return f"{sum(badness(turn)[0] for turn in turns)} in {len(turns)} {'turn' if len(turns) == 1 else 'turns'}{partly}"


def _longest_hole(summary: Summary) -> str:
    """The longest in any ring examined for holes."""
    values = believed(summary, HOLES)
    return f"{show(max(values), 'ms')} (n {len(values)})" if values else NOT_THERE


def _rate(summary: Summary) -> str:
    return show(summary.first_attempt_pass_rate, "share")


FIGURES: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("verdict", lambda summary: summary.status.value),
    ("exit status", lambda summary: str(summary.exit_code)),
    ("complete", lambda summary: "yes" if summary.complete else "no, partial"),
    ("cases passed", _passed),
    ("first-attempt pass rate", _rate),
    ("USER_KPI P50", lambda summary: _middle(summary.turn_taking.raw_ms)),
    ("USER_KPI P95", lambda summary: _tail(summary.turn_taking.raw_ms)),
    ("end of turn → audio P50, second listener", lambda summary: _middle(bot_latency(summary))),
    ("end of turn → audio P95, second listener", lambda summary: _tail(bot_latency(summary))),
    ("audible defects", _audible),
    ("longest hole", _longest_hole),
    ("gates that fail", _gates(Status.FAIL, Status.FLAKY)),
    ("gates that could not be judged", _gates(*NOT_MEASURED)),
    ("gates that warn", _gates(Status.WARN)),
    ("errors of the harness", lambda summary: str(len(summary.errors))),
)


def _environment(group_name: str) -> Callable[[str], Callable[[Summary], str]]:
    def named(name: str) -> Callable[[Summary], str]:
        def read(summary: Summary) -> str:
            group = summary.environment.get(group_name)
            value = group.get(name) if isinstance(group, dict) else None
            return NOT_THERE if value is None else str(value)

        return read

    return named


_host, _version = _environment("host"), _environment("versions")
SETTINGS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("suite", lambda summary: summary.suite),
    ("lane", lambda summary: summary.lane),
    ("microphone", lambda summary: summary.mic),
    ("agent", lambda summary: f"{summary.agent.kind} {summary.agent.spec}".strip()),
    ("page", lambda summary: summary.page.kind),
    ("network profile", lambda summary: summary.link),
    ("limits", lambda summary: limits_text(summary.limits)),
    ("system", _host("system")),
    ("processors", _host("cpu_count")),
)


def _versions(summaries: Sequence[Summary]) -> list[str]:
    """The commit first, then every version that any run names."""
    names: dict[str, None] = {"commit": None}
    for summary in summaries:
        group = summary.environment.get("versions")
        names |= dict.fromkeys(map(str, group)) if isinstance(group, dict) else {}
    return list(names)


def _cases(summaries: Sequence[Summary]) -> tuple[tuple[str, tuple[CaseCell, ...]], ...]:
    by_run = [{case.case_id: case for case in summary.cases} for summary in summaries]
    names = dict.fromkeys(name for cases in by_run for name in cases)
    return tuple((name, tuple(_cell(cases.get(name)) for cases in by_run)) for name in names)


def _cell(case: CaseVerdict | None) -> CaseCell:
    if case is None:
        return CaseCell(None, "not in this run")
    timed = [
        (attempt.measurement, first_latency(attempt.measurement, turn))
        for attempt in case.attempts
        if attempt.measurement is not None
        for turn in attempt.measurement.turns
    ]
    values = [
        m.value for measurement, m in timed if m is not None and m.value is not None and not doubt(measurement, m)
    ]
    if not values:
        return CaseCell(case.status, "not timed, or not to be believed" if timed else "no turn")
    slowest = show(max(values), "ms")
    return CaseCell(case.status, slowest if len(values) == 1 else f"slowest of {len(values)}: {slowest}")
