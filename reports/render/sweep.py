"""A sweep's report: `sweep.md` with its table, and the curve as a picture."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.judge.numbers import show
from harness.judge.sweep import Interval, Point, Sweep
from harness.model.capture import write_atomic
from reports.view.markdown import plain

REPORT, PICTURE = "sweep.md", "sweep.png"


def write_sweep(sweep: Sweep, folder: Path) -> None:
    """Raises OSError."""
    _draw(sweep, folder / PICTURE)
    write_atomic(folder / REPORT, render(sweep).encode())


def headline(sweep: Sweep) -> str:
    """The knee in one sentence."""
    measured = [found.value for found in sweep.points if found.measured]
    if not measured:
        wrong = next((found.told for found in sweep.points if found.not_applied), "")
        return "nothing was measured" + (f": NOT_APPLIED, {wrong}" if wrong else "")
    unmeasured = [_number(sweep, found.value) for found in sweep.points if not found.measured]
    but = f"; not measured at {_with_unit(sweep, ', '.join(unmeasured))}" if unmeasured else ""
    if sweep.knee is None:
        hardest = min(measured) if sweep.worse == "less" else max(measured)
        way = "down" if sweep.worse == "less" else "up"
        return f"no blocking gate fails {way} to {_said(sweep, hardest)}{but}"
    gates, way = ", ".join(sweep.knee_gates), "down" if sweep.worse == "less" else "on"
    return f"from {_said(sweep, sweep.knee)} {way} blocking gates fail: {gates}{but}"


def _number(sweep: Sweep, value: float) -> str:
    return f"{value:g}" if sweep.unit else ("on" if value else "off")


def _with_unit(sweep: Sweep, text: str) -> str:
    return f"{text} {sweep.unit}".rstrip()


def _said(sweep: Sweep, value: float) -> str:
    """ "4 % of loss", "dtx on"."""
    number = _number(sweep, value)
    return f"{_with_unit(sweep, number)} of {sweep.parameter}" if sweep.unit else f"{sweep.parameter} {number}"


def render(sweep: Sweep) -> str:
    title = "USER_KPI" if sweep.lane == "browser" else "end of turn → first audio"
    of_codec = any(found.told for found in sweep.points)
    wire = (" on the wire |", "---|") if of_codec else ("", "")
    lines = [
        f"# {plain(headline(sweep))}",
        "",
        f"Cases {plain(', '.join(sweep.cases))} · lane {sweep.lane} · held to the limits of a clean network",
        "",
        *([f"**Limits that do not ship**: {plain(sweep.limits)}", ""] if sweep.limits else []),
        f"![curve]({PICTURE})",
        "",
        f"| {sweep.parameter} | {title}, median (95 %) | concealed, median (95 %) | fail | measured | gates | run |{wire[0]}",
        f"|---:|---|---|---:|---:|---|---|{wire[1]}",
    ]
    return "\n".join([*lines, *(_row(found, sweep, of_codec) for found in sweep.points), ""])


def _row(found: Point, sweep: Sweep, of_codec: bool) -> str:
    gates = ", ".join(f"{gate} {count}" for gate, count in sorted(found.gates.items()))
    cells = [
        _with_unit(sweep, _number(sweep, found.value)),
        _interval(found.latency_ms, "ms"),
        _interval(found.concealed_ratio, "share"),
        f"{found.failed}",
        f"{found.measured} of {found.attempts}",
        plain(gates),
        f"[report]({quote(found.run)}/report.md)",
    ]
    if of_codec:
        wrong = f"**NOT_APPLIED** in {found.not_applied} of {found.attempts}: " if found.not_applied else ""
        cells.append(wrong + plain(found.told))
    return f"| {' | '.join(cells)} |"


def _interval(values: Interval, unit: str) -> str:
    if values.median is None:
        return "–"
    between = f" ({show(values.low, unit)} to {show(values.high, unit)})" if values.low is not None else ""
    return f"{show(values.median, unit)}{between}, n {values.n}"


def _draw(sweep: Sweep, path: Path) -> None:
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, middle, lower = figure.subplots(3, 1, sharex=True)
    _curve(upper, sweep, [found.latency_ms for found in sweep.points], "latency, ms", 1.0)
    _curve(middle, sweep, [found.concealed_ratio for found in sweep.points], "concealed, %", 100.0)
    measured = [found for found in sweep.points if found.measured]
    lower.plot([f.value for f in measured], [100 * f.failed / f.measured for f in measured], "o-", color="#b23a48")
    lower.set_ylabel("calls that fail, %")
    lower.set_ylim(-5, 105)
    each_way = " each way" if not any(found.told for found in sweep.points) else ""
    lower.set_xlabel(f"{sweep.parameter}, {sweep.unit}{each_way}" if sweep.unit else f"{sweep.parameter} (0 off, 1 on)")
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
        if sweep.knee is not None:
            axes.axvline(sweep.knee, color="#b23a48", linestyle=":")
    figure.savefig(path, dpi=110)


def _curve(axes: Axes, sweep: Sweep, intervals: list[Interval], label: str, scale: float) -> None:
    known = [(found.value, i) for found, i in zip(sweep.points, intervals, strict=True) if i.median is not None]
    axes.plot([value for value, _ in known], [scale * (i.median or 0.0) for _, i in known], "o-", color="#2b7bba")
    banded = [(value, i.low, i.high) for value, i in known if i.low is not None and i.high is not None]
    low, high = [scale * low for _, low, _ in banded], [scale * high for _, _, high in banded]
    axes.fill_between([value for value, _, _ in banded], low, high, alpha=0.2, color="#2b7bba")
    axes.set_ylabel(label)
