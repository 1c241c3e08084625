"""The ROC of the proof as lines of Markdown, as JSON, and as a picture (`roc.png`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.judge.numbers import show
from harness.judge.table import BY_ID
from harness.prove.roc import Roc

ROC_PNG = "roc.png"
COLUMNS = 5
DPI = 110


def roc_lines(found: Sequence[Roc]) -> list[str]:
    """One row a fault and place: at its stated limit, and at the next milder severity, where there is one."""
    if not found:
        return ["No readings of clean and of faulty replies to compare."]
    lines = [
        "Readings are those behind each gate, more is worse. Any threshold between the worst clean reading and the best "
        "faulty one would separate them; the area is that under the ROC (1: fully separated, 0.5: not at all). "
        "`roc.png` has the curves.",
        "",
        "| fault | where | gate | its limit | clean replies: worst | at the fault's limit: best | area | heard | "
        "one step milder: area | heard |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for stated in (r for r in found if r.at_limit):
        milder = _milder(stated, found)
        unit = BY_ID[stated.gate].unit
        shown = [show(value, unit) for value in (stated.limit, stated.clean_worst, stated.faulty_best)]
        other = (
            f"{milder.severity:g} {milder.unit}: {milder.area:.3f} | {100 * milder.true_positive_rate:.0f} %"
            if milder is not None
            else "– | –"
        )
        lines.append(
            f"| {stated.fault} {stated.severity:g} {stated.unit} | {stated.where} | {stated.gate} | {shown[0]} | "
            f"{shown[1]} (n {stated.n_clean}) | {shown[2]} (n {stated.n_faulty}) | {stated.area:.3f} | "
            f"{100 * stated.true_positive_rate:.0f} % | {other} |"
        )
    return lines


def _milder(stated: Roc, found: Sequence[Roc]) -> Roc | None:
    """The ladder runs from mild to severe, so the one before it."""
    mine = [r for r in found if (r.fault, r.where) == (stated.fault, stated.where)]
    place = mine.index(stated)
    return mine[place - 1] if place > 0 else None


def roc_records(found: Sequence[Roc]) -> list[dict[str, Any]]:
    return [{k: v for k, v in asdict(r).items() if k != "thresholds"} for r in found]


def draw_rocs(found: Sequence[Roc], path: Path) -> None:
    """One panel a fault and place, one curve a severity, the gate's threshold as a dot. Raises OSError."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = list(dict.fromkeys((r.fault, r.where) for r in found))
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(3 * COLUMNS, 2.9 * rows), squeeze=False, sharex=True, sharey=True
    )
    try:
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, panel in zip(axes.flat, panels, strict=False):
            for r in (r for r in found if (r.fault, r.where) == panel):
                x, y = zip(*sorted([(0.0, 0.0), *r.curve, (1.0, 1.0)]), strict=True)
                (line,) = axis.step(x, y, where="post", lw=2 if r.at_limit else 1, label=f"{r.severity:g} {r.unit}")
                axis.plot(r.false_positive_rate, r.true_positive_rate, "o", ms=4, color=line.get_color())
            axis.set_title(f"{panel[0]} ({panel[1]})", fontsize=9)
            axis.legend(fontsize=6, loc="lower right")
            axis.set_xscale("symlog", linthresh=1e-2)
            axis.set_xlim(-5e-4, 1)
        figure.supxlabel("clean replies taken for faulty")
        figure.supylabel("faulty replies heard")
        figure.tight_layout()
        figure.savefig(path, dpi=DPI)
    finally:
        plt.close(figure)
