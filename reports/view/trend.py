"""The KPI over the last comparable runs as places in a box, for the page: percent from its left and top, as CSS wants them.

Median and tail (P95 from 20 turns on, else the maximum) of each run, and what a promoted baseline allows. The picture of
report.md is `trend_plot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.numbers import show
from harness.model.changes import Changes, TrendPoint

FEWEST_RUNS = 2
HEADROOM = 1.15  # top of the box, relative to the highest value
MARGIN = 4.0  # percent, so that the first and the last dot are whole


@dataclass(frozen=True)
class Dot:
    """`hollow`: a maximum, for there were too few turns for a P95."""

    left: str
    top: str
    text: str
    hollow: bool = False


@dataclass(frozen=True)
class TrendView:
    medians: tuple[Dot, ...]
    tails: tuple[Dot, ...]
    median_line: str  # points of an SVG polyline in a box of 100 by 100
    tail_line: str
    highest: str  # what the top of the box stands for
    limit_top: str | None
    first: str
    last: str
    alt: str


def trend_view(changes: Changes | None) -> TrendView | None:
    """None with fewer than two runs with a value."""
    points = (
        [p for p in changes.trend if p.median_ms is not None and p.max_ms is not None] if changes is not None else []
    )
    if changes is None or len(points) < FEWEST_RUNS:
        return None
    limit_ms = changes.limit_ms
    top_ms = HEADROOM * max([_tail_ms(p) for p in points] + ([limit_ms] if limit_ms is not None else []))
    top_ms = max(top_ms, 1.0)  # where all runs are at or below 0
    medians, tails = [], []
    for number, point in enumerate(points):
        left = MARGIN + (100 - 2 * MARGIN) * number / (len(points) - 1)
        hollow = point.p95_ms is None
        tail = f"{'max' if hollow else 'P95'} {show(_tail_ms(point), 'ms')}, n {point.n_turns}"
        medians.append(_dot(left, point.median_ms or 0.0, top_ms, f"{point.run_id}: P50 {show(point.median_ms, 'ms')}"))
        tails.append(_dot(left, _tail_ms(point), top_ms, f"{point.run_id}: {tail}", hollow=hollow))
    return TrendView(
        medians=tuple(medians),
        tails=tuple(tails),
        median_line=_line(medians),
        tail_line=_line(tails),
        highest=show(top_ms, "ms"),
        limit_top=_percent(_top(limit_ms, top_ms)) if limit_ms is not None else None,
        first=points[0].started_at[:16].replace("T", " "),
        last=points[-1].started_at[:16].replace("T", " "),
        alt="; ".join(f"{dot.text}" for dot in medians),
    )


def _tail_ms(point: TrendPoint) -> float:
    return point.p95_ms if point.p95_ms is not None else point.max_ms or 0.0


def _top(value_ms: float, top_ms: float) -> float:
    return min(100.0, max(0.0, 100 * (1 - value_ms / top_ms)))


def _dot(left: float, value_ms: float, top_ms: float, text: str, *, hollow: bool = False) -> Dot:
    return Dot(_percent(left), _percent(_top(value_ms, top_ms)), text, hollow)


def _line(dots: Sequence[Dot]) -> str:
    return " ".join(f"{dot.left},{dot.top}" for dot in dots)


def _percent(value: float) -> str:
    return f"{value:.2f}"
