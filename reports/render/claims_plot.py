"""The agent's claims against what was heard as a picture (Bland-Altman): each turn's difference over its mean."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.judge.claims import Claims

FEWEST_TURNS = 2


def draw_claims(claims: Claims | None, png: Path) -> bool:
    """False if there are not two turns to draw. Raises OSError."""
    if claims is None or claims.bias_ms is None or len(claims.turns) < FEWEST_TURNS:
        return False
    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(
        [turn.mean_ms for turn in claims.turns],
        [turn.difference_ms for turn in claims.turns],
        "o",
        color="#2b7bba",
        markersize=4,
    )
    axes.axhline(0.0, color="#7a8794", linewidth=0.8)
    axes.axhline(claims.bias_ms, color="#d1323a", linewidth=1.2, label=f"bias {claims.bias_ms:+.0f} ms")
    for limit_ms in claims.limits_ms or ():
        label = f"95 % limit {limit_ms:+.0f} ms"
        axes.axhline(limit_ms, color="#d1323a", linewidth=0.9, linestyle="--", label=label)
    axes.set_xlabel("mean of claimed and heard, ms")
    axes.set_ylabel("heard − claimed, ms")
    axes.legend(fontsize=8, loc="best", ncols=3)
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png)
    return True
