"""The KPI over the last comparable runs as a picture: median and P95 (below 20 turns the maximum, hollow), and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.model.changes import TrendPoint

FEWEST_POINTS = 2


def draw_trend(trend: Sequence[TrendPoint], title: str, limit_ms: float | None, png: Path) -> bool:
    """False if there are not two runs with a value to draw. Raises OSError."""
    points = [point for point in trend if point.median_ms is not None and point.max_ms is not None]
    if len(points) < FEWEST_POINTS:
        return False
    figure = Figure(figsize=(9, 3.2), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    x = range(len(points))
    axes.plot(x, np.array([point.median_ms for point in points], dtype=float), "o-", color="#1c8a5a", label="P50")
    tails = np.array([point.p95_ms if point.p95_ms is not None else point.max_ms for point in points], dtype=float)
    axes.plot(x, tails, "-", color="#8a5fbf", linewidth=0.8)
    for label, filled in (("P95", True), ("maximum (fewer than 20 turns)", False)):
        chosen = [i for i in x if (points[i].p95_ms is not None) is filled]
        if chosen:
            face = "#8a5fbf" if filled else "white"
            axes.plot(
                chosen, tails[chosen], "s", color="#8a5fbf", markerfacecolor=face, label=label
            )  # fmt: skip
    if limit_ms is not None:
        axes.axhline(limit_ms, color="#d1323a", linewidth=1.0, linestyle="--", label=f"limit {limit_ms:g} ms")
    axes.set_xticks(list(x), [f"{p.started_at[5:10]}\n{p.started_at[11:16]}" for p in points], fontsize=7)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ms")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(fontsize=8, loc="lower left", ncols=4)
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png)
    return True
