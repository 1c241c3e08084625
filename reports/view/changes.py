"""What changed, as rows of text for a report. Pure; every number that a reader sees of a comparison is formatted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.numbers import show
from harness.model.changes import Against, Changes, Comparison, Side, Verdict

MARKS = {Verdict.BETTER: "✅", Verdict.WORSE: "❌", Verdict.NO_DIFFERENCE: "➖", Verdict.INCOMPARABLE: "🟣"}
FIRST = (Verdict.WORSE, Verdict.BETTER, Verdict.NO_DIFFERENCE, Verdict.INCOMPARABLE)
HEADINGS = ("metric", "then", "now", "difference (95 % interval)", "verdict")
TREND_HEADINGS = ("run", "started", "turns", "P50", "P95", "first attempts passed", "status")


@dataclass(frozen=True)
class AgainstView:
    """One comparison with a run or a baseline. `rows` have HEADINGS; `not_compared` is metric and reason."""

    what: str
    refused: tuple[str, ...]
    accepted: tuple[str, ...]
    left_out: tuple[str, ...]
    noted: tuple[str, ...]
    gates: tuple[str, ...]
    headline: str
    rows: tuple[tuple[str, ...], ...]
    not_compared: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ChangesView:
    against: tuple[AgainstView, ...]
    trend: tuple[tuple[str, ...], ...]  # run, started, turns, P50, P95 or maximum, first attempts, status
    kpi_title: str
    limit: str


def changes_view(changes: Changes | None) -> ChangesView | None:
    """None where there is nothing to show."""
    if changes is None:
        return None
    found = [against_view(a) for a in (changes.previous, changes.baseline) if a is not None]
    browser = changes.kpi == "user_kpi_raw_ms"
    return ChangesView(
        against=tuple(found),
        trend=_trend(changes),
        kpi_title="USER_KPI" if browser else "end of turn → first audio at the second listener",
        limit=show(changes.limit_ms, "ms") if changes.limit_ms is not None else "",
    )


def against_view(against: Against) -> AgainstView:
    ordered = sorted(against.comparisons, key=lambda c: (not c.primary, FIRST.index(c.verdict)))
    compared = [c for c in ordered if c.verdict is not Verdict.INCOMPARABLE]
    return AgainstView(
        what=against.what,
        refused=tuple(against.refused),
        accepted=tuple(against.accepted),
        left_out=tuple(against.left_out),
        noted=tuple(against.noted),
        gates=tuple(against.newly_failing + against.newly_passing),
        headline=_headline(against),
        rows=tuple(_row(c) for c in compared),
        not_compared=_not_compared(ordered),
    )


def _headline(against: Against) -> str:
    """One sentence: what is worse, what is better, what shows no difference."""
    if against.refused:
        return "cannot be compared: " + "; ".join(against.refused)
    by = {v: [c for c in against.comparisons if c.verdict is v] for v in Verdict}
    parts = []
    for verdict in (Verdict.WORSE, Verdict.BETTER):
        if by[verdict]:
            parts.append(f"{verdict}: " + ", ".join(f"{c.metric} {c.statistic} {difference(c)}" for c in by[verdict]))
    if by[Verdict.NO_DIFFERENCE]:
        parts.append(f"no difference shown in {len(by[Verdict.NO_DIFFERENCE])} numbers")
    if by[Verdict.INCOMPARABLE]:
        parts.append(f"{len(by[Verdict.INCOMPARABLE])} could not be compared")
    return "; ".join(parts) or "nothing that is compared was measured"


def difference(comparison: Comparison) -> str:
    if comparison.effect is None:
        return "–"
    return _signed(comparison.effect, comparison.unit)


def power(comparison: Comparison) -> str:
    """What these turns could have shown."""
    if comparison.detectable is None:
        return ""
    turns = f"{comparison.now.n_turns} turns"
    return f"{turns} could have seen {_signed(comparison.detectable, comparison.unit)}"


def _row(comparison: Comparison) -> tuple[str, ...]:
    bounds = comparison.interval
    interval = f" ({_signed(bounds.low, comparison.unit)} to {_signed(bounds.high, comparison.unit)})" if bounds else ""
    said = [f"{MARKS[comparison.verdict]} {comparison.verdict}"]
    if comparison.verdict is Verdict.NO_DIFFERENCE:
        said += [text for text in (comparison.reason, power(comparison)) if text]
    elif comparison.p is not None:
        said.append(f"p {_p(comparison.p)}")
    return (
        f"{comparison.title}, {comparison.statistic}",
        _side(comparison.then, comparison.unit),
        _side(comparison.now, comparison.unit),
        difference(comparison) + interval,
        "; ".join(said),
    )


def _side(side: Side, unit: str) -> str:
    runs = f", {side.n_runs} runs" if side.n_runs > 1 else ""
    return f"{show(side.value, unit)} (n {side.n_turns}{runs})"


def _signed(value: float, unit: str) -> str:
    text = show(value, unit)
    return text if value <= 0 else f"+{text}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _not_compared(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Reason → the metrics it holds for, each reason once."""
    by: dict[str, list[str]] = {}
    for comparison in comparisons:
        if comparison.verdict is Verdict.INCOMPARABLE:
            by.setdefault(comparison.reason, []).append(f"{comparison.metric} {comparison.statistic}")
    return tuple((", ".join(metrics), reason) for reason, metrics in by.items())


def _trend(changes: Changes) -> tuple[tuple[str, ...], ...]:
    rows = []
    for point in changes.trend:
        tail = show(point.p95_ms, "ms") if point.p95_ms is not None else f"max {show(point.max_ms, 'ms')}"
        rows.append(
            (
                point.run_id,
                point.started_at,
                str(point.n_turns),
                show(point.median_ms, "ms"),
                tail,
                show(point.first_attempt_pass_rate, "share"),
                point.status or "unfinished",
            )
        )
    return tuple(rows)
