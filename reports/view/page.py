"""What report.html shows, in its order: a frozen record made from a Summary. All text is raw: the template escapes it.

Numbers are formatted here and in `reports.view.view`; templates compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.judge.fixes import Fix, suggest
from harness.judge.limits import limits_text
from harness.judge.numbers import show
from harness.judge.verdict import PASSING
from harness.model.status import SEVERITY, Status
from harness.model.verdict import AttemptVerdict, CaseVerdict, GateResult, Summary
from reports.view.case_view import CaseBlock, view_case
from reports.view.changes import HEADINGS, TREND_HEADINGS, ChangesView, changes_view
from reports.view.claims import ClaimsView, claims_view
from reports.view.degraded import DegradedView, degraded_view
from reports.view.doubts import doubts
from reports.view.examined import examined
from reports.view.excluded import excluded
from reports.view.funnel import funnel_view
from reports.view.funnel_steps import FunnelPicture, funnel_picture
from reports.view.moment_view import MomentView, view_moment
from reports.view.moments import worst_moments
from reports.view.network import HEADINGS as NETWORK_HEADINGS
from reports.view.network import NetworkView, network_view
from reports.view.networks import NetworksView, networks_view
from reports.view.trend import TrendView, trend_view
from reports.view.view import (
    attempts_of,
    bot_latency,
    flaky_cases,
    has_own_limits,
    limit_of,
    needs_attention,
    percentiles,
    ring_of,
    short,
    turns_of,
)

KPI_TITLE = "USER_KPI: user's last word → agent audible at the ear"
BOT_TITLE = "End of turn → first audio at the second listener (the bot lane has no ear)"
TONES = {  # "the agent was wrong" and "we could not measure" never share a colour
    Status.PASS: "good",
    Status.WARN: "warn",
    Status.FAIL: "bad",
    Status.FLAKY: "bad",
    Status.NO_DATA: "unsure",
    Status.INVALID: "unsure",
    Status.NOT_APPLIED: "unsure",
    Status.NOT_APPLICABLE: "none",
}
SAYINGS = {
    Status.FAIL: "the agent was wrong",
    Status.FLAKY: "failed once, passed once",
    Status.NO_DATA: "could not be measured",
    Status.INVALID: "measured, but not to be believed",
    Status.NOT_APPLIED: "the call was not what it should have been",
    Status.WARN: "outside its limit, but does not block",
    Status.PASS: "in order",
    Status.NOT_APPLICABLE: "excluded by what this lane or agent can tell",
}

RINGS = {"0": "the agent's PCM (0)", "1": "post-RTC (1)", "2": "ear (2)"}


@dataclass(frozen=True)
class GateRow:
    gate_id: str
    title: str
    ring: str
    blocking: bool
    shown: str
    limit: str
    n: str
    where: str
    case_id: str | None  # to link to
    why: str
    fix: Fix | None


@dataclass(frozen=True)
class GateGroup:
    status: Status
    saying: str
    rows: tuple[GateRow, ...]


@dataclass(frozen=True)
class Attention:
    case_id: str
    title: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Page:
    """Everything the template prints. `summary` only for what needs no formatting (run_id, complete, …)."""

    summary: Summary
    tones: dict[Status, str]
    kpi_title: str
    kpi: tuple[tuple[str, str], ...]
    attention: tuple[Attention, ...]
    moments: tuple[MomentView, ...]
    gates: tuple[GateGroup, ...]
    excluded: tuple[tuple[str, str], ...]  # gates that are not applicable, and why
    examined: str  # what was not examined for defects, if anything
    other_fixes: tuple[Fix, ...]
    first_pass: str
    unexplained: str
    flaky: str
    changes: ChangesView | None
    change_headings: tuple[str, ...]
    trend: TrendView | None
    trend_headings: tuple[str, ...]
    network: NetworkView | None
    network_headings: tuple[str, ...]
    networks: NetworksView | None
    cases: tuple[CaseBlock, ...]
    funnel: FunnelPicture | None
    claims: ClaimsView | None
    degraded: DegradedView | None
    doubts: tuple[str, ...]
    limits: str | None  # the limits that judged the run, unless the shipped ones
    facts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def make_page(summary: Summary, run_dir: Path) -> Page:
    """Reads the captures in `run_dir` for the sound, the pictures and the words of the worst moments."""
    browser = summary.lane == "browser"
    fixes = {fix.about: fix for fix in suggest(summary.cases, summary.gates)}
    gates = _gate_groups(summary, fixes)
    suggested = {row.gate_id for group in gates for row in group.rows if row.fix is not None}
    return Page(
        summary=summary,
        tones=TONES,
        kpi_title=KPI_TITLE if browser else BOT_TITLE,
        kpi=percentiles(summary.turn_taking.raw_ms if browser else bot_latency(summary)),
        attention=tuple(
            Attention(case.case_id, case.title, case.status, case.reason)
            for case in by_severity(summary.cases)
            if needs_attention(case)
        ),
        moments=tuple(view_moment(moment, run_dir) for moment in worst_moments(summary)),
        gates=gates,
        excluded=tuple((", ".join(names), why) for names, why in excluded(summary.gates)),
        examined=examined(turns_of(summary)).not_examined(),
        other_fixes=tuple(fix for fix in fixes.values() if fix.about not in suggested),
        first_pass=show(summary.first_attempt_pass_rate, "share"),
        unexplained=short(summary.unexplained_ms),
        flaky=flaky_cases(summary),
        changes=changes_view(summary.changes),
        change_headings=HEADINGS,
        trend=trend_view(summary.changes),
        trend_headings=TREND_HEADINGS,
        network=network_view(summary, text=str, strong=""),
        network_headings=NETWORK_HEADINGS,
        networks=networks_view(summary.changes.networks if summary.changes is not None else None),
        cases=tuple(view_case(case, run_dir) for case in by_severity(summary.cases)),
        funnel=funnel_picture(funnel_view(summary, run_dir), bot=not browser),
        claims=claims_view(summary),
        degraded=degraded_view(summary),
        doubts=doubts(summary),
        limits=limits_text(summary.limits) if not summary.limits.shipped else None,
        facts=_facts(summary),
        environment=_environment(summary),
    )


def by_severity(cases: list[CaseVerdict]) -> list[CaseVerdict]:
    """Cases that did not pass first, each group in the run's order."""
    return sorted(cases, key=lambda case: len(SEVERITY) if case.status in PASSING else SEVERITY.index(case.status))


def _gate_groups(summary: Summary, fixes: dict[str, Fix]) -> tuple[GateGroup, ...]:
    attempts = {attempt.trace_id: (case, attempt) for case in summary.cases for attempt in case.attempts}
    groups = []
    for status in SEVERITY:
        if status is Status.NOT_APPLICABLE:  # listed apart, by reason
            continue
        rows = [gate for gate in summary.gates if gate.status is status]
        rows.sort(key=lambda gate: not gate.blocking)
        if rows:
            shown = tuple(_gate_row(gate, summary.lane, attempts, fixes) for gate in rows)
            groups.append(GateGroup(status, SAYINGS[status], shown))
    return tuple(groups)


def _gate_row(
    gate: GateResult, lane: str, attempts: dict[str, tuple[CaseVerdict, AttemptVerdict]], fixes: dict[str, Fix]
) -> GateRow:
    place = attempts.get(gate.worst_trace_id) if gate.worst_trace_id is not None else None
    if gate.status is Status.PASS and not gate.value:  # nothing was found anywhere: no turn is worse than another
        place, where = None, ""
    else:
        where = _where(gate, place[1] if place is not None else None)
    would_be = f"{gate.would_be} where it blocks" if gate.would_be is not None else ""
    return GateRow(
        gate_id=gate.gate_id,
        title=gate.title,
        ring=RINGS.get(ring_of(gate, lane), gate.ring),
        blocking=gate.blocking,
        shown=f"{gate.shown} over all cases" if has_own_limits(gate) and gate.value is not None else gate.shown,
        limit=limit_of(gate),
        n=str(gate.n),
        where=where,
        case_id=place[0].case_id if place is not None else None,
        why="; ".join(filter(None, [would_be, gate.reason])),
        fix=fixes.get(gate.gate_id) if gate.status not in (Status.PASS, Status.NOT_APPLICABLE) else None,
    )


def _where(gate: GateResult, attempt: AttemptVerdict | None) -> str:
    parts = [f"attempt {attempt.attempt}" if attempt is not None else gate.worst_trace_id]
    if gate.worst_reply_seq is not None:
        parts.append(f"reply {gate.worst_reply_seq}")
    return ", ".join(filter(None, parts))


def _facts(summary: Summary) -> tuple[tuple[str, str], ...]:
    spec = f" ({summary.agent.spec})" if summary.agent.spec else ""
    link = "none: these figures are of a clean loopback" if summary.link == "none" else summary.link
    wall = f"{summary.wall_s:.0f} s" if summary.wall_s is not None else "not known"
    return (
        ("run", summary.run_id),
        ("started", summary.started_at),
        ("finished", summary.finished_at or "not known"),
        ("took", wall),
        ("suite", summary.suite),
        ("lane", summary.lane),
        ("microphone", summary.mic),
        ("agent", summary.agent.kind + spec),
        ("page", summary.page.kind),
        ("limits", limits_text(summary.limits)),
        ("network profile", link),
        *((("side by side", summary.side_by_side.in_words()),) if summary.side_by_side is not None else ()),
        ("exit status", str(summary.exit_code)),
    )


def _environment(summary: Summary) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    groups = []
    for name, group in summary.environment.items():
        if isinstance(group, dict):
            rows = tuple((str(key), _plain_value(value)) for key, value in group.items())
            groups.append((name, rows + (_load(summary) if name == "host" else ())))
        else:
            groups.append((name, ((name, _plain_value(group)),)))
    return tuple(groups)


def _plain_value(value: Any) -> str:
    return "not known" if value is None else str(value)


def _load(summary: Summary) -> tuple[tuple[str, str], ...]:
    """The host's load while turns were measured."""
    rows = []
    for name, title, unit in (
        ("host_cpu_ratio", "processor in use during a turn, at most", "share"),
        ("loop_lag_ms", "lateness of the measuring process during a turn, at most", "ms"),
    ):
        values = [
            turn.metrics[name].value
            for attempt in attempts_of(summary)
            if attempt.measurement is not None
            for turn in attempt.measurement.turns
            if name in turn.metrics
        ]
        known = [value for value in values if value is not None]
        rows.append((title, f"{show(max(known), unit)} (of {len(known)} turns)" if known else "not measured"))
    return tuple(rows)
