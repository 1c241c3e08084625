"""What the agent reports as its latency beside what was heard: one sentence, the faults, and a Bland-Altman plot.

Places in the plot are percent from its left and top, as CSS wants them. The picture of report.md is `claims_plot`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.claims import AFTER, BEFORE, CLAIMED, DIFFERENCE, ClaimedTurn, Claims, FaultyClaim, claims_of
from harness.judge.numbers import show
from harness.model.measurement import Turn
from harness.model.verdict import Summary
from reports.view.trend import Dot

MOST_FAULTS = 8
MOST_DOTS = 1_000
HEADROOM = 1.1
LEAST_RANGE_MS = 20.0


@dataclass(frozen=True)
class ClaimsPlot:
    """`rules`: (top, name) of the bias and the limits of agreement; `zero_top`: where both agree."""

    dots: tuple[Dot, ...]
    rules: tuple[tuple[str, str], ...]
    zero_top: str
    highest: str
    lowest: str
    first: str
    last: str
    alt: str


@dataclass(frozen=True)
class ClaimsView:
    sentence: str
    rows: tuple[tuple[str, str], ...]
    faults: tuple[str, ...]
    left_out: str
    plot: ClaimsPlot | None


def claims_view(summary: Summary) -> ClaimsView | None:
    """None where the agent reports no latency of its own."""
    claims = claims_of(summary)
    if claims is None:
        return None
    faults = [*claims.missing, *claims.absurd]
    return ClaimsView(
        sentence=in_one_sentence(claims),
        rows=_rows(claims),
        faults=tuple(_fault(fault) for fault in faults[:MOST_FAULTS]),
        left_out=f"and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else "",
        plot=_plot(claims),
    )


def in_one_sentence(claims: Claims) -> str:
    """The mean difference and its parts, each only where it is known."""
    if claims.bias_ms is None:
        return "No claim of the agent's could be compared with what was heard."
    turns = f"{len(claims.turns)} {'turn' if len(claims.turns) == 1 else 'turns'}"
    bias_ms, parts = round(claims.bias_ms), claims.parts
    if bias_ms < 0:
        said = f"Your dashboard counts {-bias_ms:,} ms more than your users wait (mean of {turns})"
    else:
        said = f"Your dashboard misses {bias_ms:,} ms of what your users wait (mean of {turns})"
    if not parts:
        return f"{said}; between which moments it counts is not known."
    before_ms = round(sum(turn.before_ms or 0.0 for turn in parts) / len(parts))
    after_ms = round(sum(turn.after_ms or 0.0 for turn in parts) / len(parts))
    if len(parts) == len(claims.turns):
        after_ms = bias_ms - before_ms  # the two are rounded so that they add up
    where = "" if len(parts) == len(claims.turns) else f" (known in {len(parts)} of them)"
    return f"{said}: {before_ms:,} before it starts to count, {after_ms:,} after it stops{where}."


def _rows(claims: Claims) -> tuple[tuple[str, str], ...]:
    limits = claims.limits_ms
    agreement = f"{limits[0]:+,.0f} to {limits[1]:+,.0f} ms" if limits is not None else "too few turns"
    rows = [
        ("turns compared", str(len(claims.turns))),
        ("heard minus claimed, mean", _signed(claims.bias_ms)),
        ("limits of agreement (95 %)", agreement),
        ("claims missing", str(len(claims.missing))),
        ("claims absurd", str(len(claims.absurd))),
    ]
    if claims.left_out:
        rows.append(("left out: what was heard was not measured, or is not to be believed", str(claims.left_out)))
    return tuple(rows)


def _signed(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{value_ms:+,.0f} ms"


def _fault(fault: FaultyClaim) -> str:
    if fault.claimed_ms is None:
        return f"{fault.where}: {fault.why}"
    return f"{fault.where}: the agent reports {fault.claimed_ms:,.0f} ms: {fault.why}"


def claimed_text(turn: Turn) -> str:
    """ "the agent reports 812 ms; the user waited 418 ms more: 61 before it starts to count, 357 after it stops".

    "" for an agent that reports none.
    """
    claimed = turn.metrics.get(CLAIMED)
    if claimed is None or claimed.not_applicable:
        return ""
    if claimed.value is None:
        return claimed.reason
    said = f"the agent reports {show(claimed.value, 'ms')}"
    if claimed.invalid:
        return f"{said}: {claimed.reason}"
    difference, before, after = (_value(turn, name) for name in (DIFFERENCE, BEFORE, AFTER))
    if difference is None:
        return said
    waited = f"the user waited {abs(round(difference)):,} ms {'less' if difference < 0 else 'more'}"
    if before is None or after is None:
        return f"{said}; {waited}"
    return f"{said}; {waited}: {round(before):,} before it starts to count, {round(after):,} after it stops"


def _value(turn: Turn, name: str) -> float | None:
    metric = turn.metrics.get(name)
    return metric.value if metric is not None else None


def _plot(claims: Claims) -> ClaimsPlot | None:
    if len(claims.turns) < 2:
        return None
    turns, bias_ms = claims.turns, claims.bias_ms or 0.0
    lines = [("bias", bias_ms), *zip(("lower limit", "upper limit"), claims.limits_ms or (), strict=False)]
    heights = [0.0, *(turn.difference_ms for turn in turns), *(value for _, value in lines)]
    low, high = _widened(min(heights), max(heights))
    left, right = _widened(min(t.mean_ms for t in turns), max(t.mean_ms for t in turns))

    def top(value_ms: float) -> str:
        return f"{100 * (high - value_ms) / (high - low):.2f}"

    def dot(turn: ClaimedTurn) -> Dot:
        text = f"{turn.where}: claimed {turn.claimed_ms:,.0f} ms, heard {turn.heard_ms:,.0f} ms"
        return Dot(f"{100 * (turn.mean_ms - left) / (right - left):.2f}", top(turn.difference_ms), text)

    return ClaimsPlot(
        dots=tuple(dot(turn) for turn in turns[:MOST_DOTS]),
        rules=tuple((top(value), f"{name} {value:+,.0f} ms") for name, value in lines),
        zero_top=top(0.0),
        highest=f"{high:+,.0f} ms",
        lowest=f"{low:+,.0f} ms",
        first=f"{left:,.0f} ms",
        last=f"{right:,.0f} ms",
        alt=f"Difference over mean of {len(turns)} turns: {', '.join(f'{name} {value:+,.0f} ms' for name, value in lines)}",
    )


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range with room about what is in it."""
    middle, half = (low + high) / 2, max(HEADROOM * (high - low) / 2, LEAST_RANGE_MS / 2)
    return middle - half, middle + half
