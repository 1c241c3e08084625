"""What the report's template sees: rows of text made from a Summary. Pure; all formatting of numbers happens here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.judge.fixes import Fix, suggest
from harness.judge.limits import limit_in_words, limits_text
from harness.judge.numbers import show
from harness.judge.table import OF_EACH_CASE
from harness.judge.verdict import explain
from harness.model.degraded import LABEL
from harness.model.measurement import Metric, Turn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, CaseVerdict, Distribution, GateResult, Summary
from reports.view.changes import HEADINGS, ChangesView, changes_view
from reports.view.claims import ClaimsView, claims_view
from reports.view.degraded import DegradedView, degraded_view
from reports.view.doubts import doubts
from reports.view.excluded import excluded
from reports.view.funnel import FunnelView, funnel_view
from reports.view.heard import DefectTable, Heard, defects_of, doubt, hear, turn_to_show
from reports.view.likeness import likeness_lines
from reports.view.markdown import code, plain
from reports.view.network import HEADINGS as NETWORK_HEADINGS
from reports.view.network import NetworkView, network_view
from reports.view.networks import NetworksView, networks_view

MARKS = {
    Status.PASS: "✅",
    Status.WARN: "⚠️",
    Status.FAIL: "❌",
    Status.FLAKY: "❌",
    Status.NO_DATA: "🟣",
    Status.INVALID: "🟣",
    Status.NOT_APPLIED: "🟣",
    Status.NOT_APPLICABLE: "➖",
}
RECORDINGS = (("said.wav", "said"), ("pre_rtc.wav", "pre"), ("post_rtc.wav", "post"), ("ear.wav", "ear"))
BAR_CHARS = 30
TREND = "trend"  # key of the trend's picture, beside those of turns
CLAIMS = "claims"  # key of the picture of what the agent claims


@dataclass(frozen=True)
class Failure:
    case_id: str
    title: str
    status: str
    gates: tuple[str, ...]
    defects: DefectTable
    folder: str
    link: str
    picture: str | None


@dataclass(frozen=True)
class CaseRow:
    mark: str
    case_id: str
    tier: str
    status: str
    attempt: str
    kpi: str
    gap: str
    dropouts: str
    reply: str
    capture: str
    links: str


@dataclass(frozen=True)
class Waterfall:
    title: str
    rows: tuple[tuple[str, str, str], ...]  # step, ms, bar
    total: str
    picture: str | None


@dataclass(frozen=True)
class View:
    """Everything the template prints, in its order."""

    summary: Summary
    mark: str
    headline: str
    agent: str
    errors: tuple[str, ...]
    not_measured: tuple[str, ...]
    kpi_title: str
    kpi: tuple[tuple[str, str], ...]
    gates: tuple[tuple[str, ...], ...]
    warn_gates: tuple[tuple[str, ...], ...]
    excluded: tuple[tuple[str, str], ...]  # gates that are not applicable, and why: once for all with one reason
    failures: tuple[Failure, ...]
    heard: Heard
    cases: tuple[CaseRow, ...]
    turn_taking: tuple[tuple[str, ...], ...]
    talk_over: tuple[str, ...]
    waterfalls: tuple[Waterfall, ...]
    funnel: FunnelView | None
    degraded: DegradedView | None
    capture_statuses: tuple[tuple[str, int], ...]
    missing_pre: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]
    fixes: tuple[Fix, ...]
    first_pass: str
    unexplained: str
    environment: tuple[tuple[str, str], ...]
    changes: ChangesView | None
    change_headings: tuple[str, ...]
    trend_picture: str | None
    network: NetworkView | None = None
    side_by_side: str | None = None
    limits: str | None = None  # the limits that judged the run, unless the shipped ones
    network_headings: tuple[str, ...] = NETWORK_HEADINGS
    networks: NetworksView | None = None
    claims: ClaimsView | None = None
    claims_picture: str | None = None
    flaky: str = ""
    happenings: tuple[str, ...] = ()


def make_view(summary: Summary, run_dir: Path, pictures: dict[str, str]) -> View:
    """`pictures`: `trace_id:reply_seq` → path relative to `run_dir`. Only files that exist are linked."""
    browser = summary.lane == "browser"
    first = summary.turn_taking.raw_ms if browser else bot_latency(summary)
    judged = [gate for gate in summary.gates if gate.status is not Status.NOT_APPLICABLE]
    title = "USER_KPI (user's last word → agent audible at the ear)"
    return View(
        summary=summary,
        mark=MARKS[summary.status],
        headline=plain(summary.headline),
        agent=summary.agent.kind + (f" {code(summary.agent.spec)}" if summary.agent.spec else ""),
        errors=tuple(plain(error) for error in summary.errors),
        not_measured=tuple(plain(line) for line in summary.not_measured),
        kpi_title=title if browser else "End of turn → first audio at the second listener (the bot lane has no ear)",
        kpi=percentiles(first),
        gates=tuple(_gate_row(gate, summary.lane) for gate in judged if gate.blocking),
        warn_gates=tuple(_gate_row(gate, summary.lane) for gate in judged if not gate.blocking),
        excluded=tuple(
            (", ".join(f"`{name}`" for name in names), plain(why)) for names, why in excluded(summary.gates)
        ),
        failures=tuple(_failure(case, run_dir, pictures) for case in summary.cases if needs_attention(case)),
        heard=hear(summary, [_failed_attempt(case) for case in summary.cases if needs_attention(case)]),
        cases=tuple(
            _case_row(case, attempt, run_dir, pictures, browser) for case in summary.cases for attempt in case.attempts
        ),
        turn_taking=_turn_taking(summary),
        talk_over=_distribution_row(summary.turn_taking.talk_over_ms),
        waterfalls=_waterfalls(summary, pictures),
        funnel=funnel_view(summary, run_dir),
        degraded=degraded_view(summary),
        capture_statuses=tuple(Counter(a.capture_status.value for a in attempts_of(summary)).most_common()),
        missing_pre=_missing_pre(summary),
        doubts=tuple(plain(line) for line in doubts(summary)),
        fixes=tuple(
            Fix(plain(fix.about), fix.text, tuple(plain(line) for line in fix.evidence))
            for fix in suggest(summary.cases, summary.gates)
        ),
        first_pass=show(summary.first_attempt_pass_rate, "share"),
        unexplained=short(summary.unexplained_ms),
        environment=_environment(summary.environment),
        changes=changes_view(summary.changes),
        change_headings=HEADINGS,
        trend_picture=quote(pictures[TREND]) if TREND in pictures else None,
        network=network_view(summary),
        side_by_side=plain(summary.side_by_side.in_words()) if summary.side_by_side is not None else None,
        limits=plain(limits_text(summary.limits)) if not summary.limits.shipped else None,
        networks=networks_view(summary.changes.networks if summary.changes is not None else None),
        claims=_claims(summary),
        claims_picture=quote(pictures[CLAIMS]) if CLAIMS in pictures else None,
        flaky=plain(flaky_cases(summary)),
        happenings=_happenings(summary),
    )


def _happenings(summary: Summary) -> tuple[str, ...]:
    return tuple(
        f"{code(attempt.trace_id)}: {plain(line)}"
        for attempt in attempts_of(summary)
        if attempt.measurement is not None
        for line in attempt.measurement.happenings
    )


def _claims(summary: Summary) -> ClaimsView | None:
    view = claims_view(summary)
    return replace(view, faults=tuple(plain(fault) for fault in view.faults)) if view is not None else None


def attempts_of(summary: Summary) -> list[AttemptVerdict]:
    return [attempt for case in summary.cases for attempt in case.attempts]


def turns_of(summary: Summary) -> list[Turn]:
    measured = [attempt.measurement for attempt in attempts_of(summary) if attempt.measurement is not None]
    return [turn for measurement in measured for turn in measurement.turns]


def flaky_cases(summary: Summary) -> str:
    """Which cases failed in one attempt and passed in another, in words."""
    names = [case.case_id for case in summary.cases if case.status is Status.FLAKY]
    return f"flaky (failed once, passed once): {', '.join(names)}" if names else "no case is flaky"


def needs_attention(case: CaseVerdict) -> bool:
    return case.status not in (Status.PASS, Status.WARN)


def believed(summary: Summary, names: Collection[str]) -> list[float]:
    """Values of these metrics in all turns, without those that are INVALID."""
    return [
        metric.value
        for attempt in attempts_of(summary)
        if attempt.measurement is not None
        for turn in attempt.measurement.turns
        for name, metric in turn.metrics.items()
        if name in names and metric.value is not None and not doubt(attempt.measurement, metric)
    ]


def bot_latency(summary: Summary) -> Distribution:
    from harness.judge.statistics import distribution

    return distribution(believed(summary, {"eot_to_first_audio_ms"}))


def percentiles(values: Distribution) -> tuple[tuple[str, str], ...]:
    if values.n == 0:
        return (("n", "0"),)
    few = values.n < 20
    return (
        ("P50", show(values.p50, "ms")),
        (f"max of {values.n}" if few else "P95", show(values.max if few else values.p95, "ms")),
        *(() if few else (("P99", show(values.p99, "ms")),)),
        ("min", show(values.min, "ms")),
        ("max", show(values.max, "ms")),
        ("n", str(values.n)),
    )


def _distribution_row(values: Distribution) -> tuple[str, ...]:
    cells = (values.p50, values.p95, values.p99, values.min, values.max)
    return (*(show(value, "ms") for value in cells), str(values.n))


def short(values: Distribution | None) -> str:
    if values is None or values.n == 0:
        return "–"
    tail = f"max of {values.n} {show(values.max, 'ms')}" if values.n < 20 else f"P95 {show(values.p95, 'ms')}"
    return f"P50 {show(values.p50, 'ms')}, {tail}"


def has_own_limits(gate: GateResult) -> bool:
    """Whether each case has its own limit, so that no one limit applies to the value over all cases."""
    return gate.gate_id in OF_EACH_CASE


def limit_of(gate: GateResult) -> str:
    """The limit of a gate over the run."""
    return "the case's own" if has_own_limits(gate) else limit_in_words(gate)


def ring_of(gate: GateResult, lane: str) -> str:
    """Where it was judged: the bot lane has no ear, so the second listener hears what the user hears."""
    return "1" if gate.ring == "2" and lane == "bot" else gate.ring


def _gate_row(gate: GateResult, lane: str) -> tuple[str, ...]:
    where = gate.worst_trace_id or ""
    if gate.worst_reply_seq is not None:
        where += f", reply {gate.worst_reply_seq}"
    why = (str(gate.would_be) if gate.would_be is not None else "", gate.reason, where)
    note = "; ".join(filter(None, why)) if gate.status is not Status.PASS else ""
    status = f"{MARKS[gate.status]} {gate.status}"
    return (
        f"`{gate.gate_id}` {plain(gate.title)}",
        ring_of(gate, lane),
        plain(gate.shown),
        limit_of(gate),
        status,
        plain(note),
    )


def _link(run_dir: Path, relative: str, text: str) -> str:
    return f"[{text}]({quote(relative)})" if (run_dir / relative).is_file() else ""


def _failed_attempt(case: CaseVerdict) -> AttemptVerdict:
    return next((a for a in case.attempts if a.status not in (Status.PASS, Status.WARN)), case.attempts[0])


def _failure(case: CaseVerdict, run_dir: Path, pictures: dict[str, str]) -> Failure:
    attempt = _failed_attempt(case)
    said: dict[str, list[str]] = {}  # one reason often holds for many gates
    for gate in attempt.gates:
        if gate.status not in (Status.PASS, Status.NOT_APPLICABLE, Status.WARN):
            said.setdefault(f"{gate.status}: {plain(explain(gate))}", []).append(f"`{gate.gate_id}`")
    lines = [f"{', '.join(gates)} {text}" for text, gates in said.items()]
    if not lines:
        lines = [f"{attempt.capture_status}: {plain(attempt.detail)}"]
    lines += [plain(line) for line in likeness_lines(attempt)]
    if len(case.attempts) > 1:
        lines.append(plain(case.reason))
    turn = turn_to_show(attempt)
    picture = pictures.get(turn_key(attempt, turn)) if turn is not None else None
    return Failure(
        case_id=plain(case.case_id),
        title=plain(case.title),
        status=case.status.value,
        gates=tuple(lines),
        defects=defects_of(attempt),
        folder=plain(attempt.folder),
        link=quote(attempt.folder),
        picture=quote(picture) if picture is not None else None,
    )


def _turn_metric(attempt: AttemptVerdict, name: str) -> list[Metric]:
    turns: Sequence[Turn] = attempt.measurement.turns if attempt.measurement is not None else ()
    return [turn.metrics[name] for turn in turns if name in turn.metrics]


def _worst(metrics: Sequence[Metric], unit: str, beside: Sequence[float] = ()) -> str:
    values = [m.value for m in metrics if m.value is not None]
    return show(max(values), unit, beside=beside) if values else "–"


def _all(metrics: Sequence[Metric], beside: Sequence[float]) -> str:
    return ", ".join(show(m.value, "ms", beside=beside) for m in metrics if m.value is not None) or "–"


def _case_row(
    case: CaseVerdict, attempt: AttemptVerdict, run_dir: Path, pictures: dict[str, str], browser: bool
) -> CaseRow:
    latency, gate_id = ("user_kpi_raw_ms", "user_kpi") if browser else ("eot_to_first_audio_ms", "eot_to_first_audio")

    def limits(*gate_ids: str) -> list[float]:
        return [gate.threshold for gate in attempt.gates if gate.gate_id in gate_ids]

    links = [_link(run_dir, f"{attempt.folder}/{name}", text) for name, text in RECORDINGS]
    turns = attempt.measurement.turns if attempt.measurement is not None else ()
    drawn = [pictures[key] for key in (turn_key(attempt, turn) for turn in turns) if key in pictures]
    links += [_link(run_dir, picture, "picture") for picture in drawn]
    links.append(_link(run_dir, f"{attempt.folder}/manifest.json", "manifest"))
    return CaseRow(
        mark=MARKS[attempt.status],
        case_id=plain(case.case_id),
        tier=case.tier.value,
        status=f"{attempt.status}, {LABEL}" if attempt.degraded else attempt.status.value,
        attempt=str(attempt.attempt),
        kpi=_all(_turn_metric(attempt, latency), limits(gate_id)),
        gap=_worst(_turn_metric(attempt, "max_gap_ms"), "ms", limits("max_gap")),
        dropouts=_worst(_turn_metric(attempt, "dropout_count"), ""),
        reply=_all(_turn_metric(attempt, "reply_ms"), limits("reply_not_short", "reply_not_long")),
        capture=attempt.capture_status.value,
        links=" ".join(link for link in links if link),
    )


def _turn_taking(summary: Summary) -> tuple[tuple[str, ...], ...]:
    taking = summary.turn_taking
    return (("raw", *_distribution_row(taking.raw_ms)), ("clamped at 0", *_distribution_row(taking.clamped_ms)))


def turn_key(attempt: AttemptVerdict, turn: Turn) -> str:
    return f"{attempt.trace_id}:{turn.reply_seq}"


def find_turn(summary: Summary, key: str | None) -> tuple[AttemptVerdict, Turn] | None:
    """The attempt and turn that `trace_id:reply_seq` names."""
    if key is None:
        return None
    trace_id, _, seq = key.rpartition(":")
    for attempt in attempts_of(summary):
        if attempt.trace_id == trace_id and attempt.measurement is not None:
            for turn in attempt.measurement.turns:
                if str(turn.reply_seq) == seq:
                    return attempt, turn
    return None


def _waterfalls(summary: Summary, pictures: dict[str, str]) -> tuple[Waterfall, ...]:
    found = []
    for title, key in (("slowest", summary.waterfall_slowest), ("median", summary.waterfall_median)):
        place = find_turn(summary, key)
        if place is None:
            continue
        attempt, turn = place
        name = attempt.measurement.case_id if attempt.measurement is not None else attempt.trace_id
        known = [step.ms for step in turn.waterfall if step.ms is not None]
        widest = max((abs(ms) for ms in known), default=1.0) or 1.0
        rows = tuple(
            (
                plain(step.name),
                show(step.ms, "ms") if step.ms is not None else plain(step.reason),
                _bar(step.ms, widest),
            )
            for step in turn.waterfall
        )
        picture = pictures.get(turn_key(attempt, turn))
        found.append(
            Waterfall(
                title=f"The {title} turn: {plain(name)}, reply {turn.reply_seq}",
                rows=rows,
                total=show(sum(known), "ms") if known else "–",
                picture=quote(picture) if picture is not None else None,
            )
        )
    return tuple(found)


def _bar(ms: float | None, widest: float) -> str:
    if ms is None:
        return ""
    blocks = "█" * max(0 if abs(ms) < 0.5 else 1, round(BAR_CHARS * abs(ms) / widest))
    return f"`{blocks}`" if blocks else ""


def _missing_pre(summary: Summary) -> tuple[tuple[str, str], ...]:
    rows = []
    for attempt in attempts_of(summary):
        for metric in _turn_metric(attempt, "identity")[:1]:
            if metric.value is None and not metric.not_applicable:
                rows.append((attempt.trace_id, plain(metric.reason)))
    return tuple(rows)


def _environment(environment: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    groups = [group for group in environment.values() if isinstance(group, dict)]
    return tuple((plain(name), plain(value)) for group in groups for name, value in group.items())
