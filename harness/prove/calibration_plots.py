"""Pictures of a calibration: Bland-Altman by setting, detector errors, the path's floor, browser against probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.prove.calibration import Agreement, agreement
from harness.prove.calibration_record import Calibration, Setting, probe_pairs

STEADY, STEPPED, LIMIT = "#1c8a5a", "#c0562f", "#7a8794"
CHIRP, SPEECH = "#2b7bba", "#8a5fbf"
DPI = 110


def draw(calibration: Calibration, folder: Path) -> dict[str, str]:
    """Title → file name of each picture that has data. Raises OSError."""
    made: dict[str, str] = {}
    for lane in dict.fromkeys(s.lane for s in calibration.settings):
        settings = [s for s in calibration.settings if s.lane == lane and s.counted]
        if settings:
            name = f"bland_altman_{lane}.png"
            _side_by_side(settings, _bland_altman, folder / name)
            made[f"Bland-Altman, {lane} lane"] = name
    heard = [s for s in calibration.settings if s.answers]
    if heard:
        _side_by_side(heard, _detector, folder / "detector.png")
        made["The detector's errors, truth by matched filter"] = "detector.png"
        _floors(heard, folder / "floor.png")
        made["The path's floor, turn by turn"] = "floor.png"
    both = [s for s in calibration.settings if probe_pairs(s)]
    if both:
        _side_by_side(both, _probe, folder / "browser_against_probe.png")
        made["Browser against probe"] = "browser_against_probe.png"
    return made


def _side_by_side(settings: Sequence[Setting], panel: Callable[[Axes, Setting], None], path: Path) -> None:
    columns = min(3, len(settings))
    rows = -(-len(settings) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax, setting in zip(axes, settings, strict=False):
        panel(ax, setting)
        ax.set_title(setting.name, fontsize=10)
    for ax in axes[len(settings) :]:
        ax.set_visible(False)
    figure.savefig(path, dpi=DPI)


def _lines(ax: Axes, found: Agreement | None) -> None:
    if found is None:
        return
    for value, style in ((found.bias_ms, "-"), (found.low_ms, "--"), (found.high_ms, "--")):
        ax.axhline(value, color=LIMIT, linestyle=style, linewidth=1)
        ax.annotate(
            f"{value:+.2f}", (1.0, value), xycoords=("axes fraction", "data"), fontsize=7, va="bottom", ha="right"
        )


def _bland_altman(ax: Axes, setting: Setting) -> None:
    """The injected difference is the truth, so it stands on the x axis, not the mean of the two."""
    for turns, colour, label in (
        (setting.steady, STEADY, "steady"),
        (setting.stepped, STEPPED, "jitter buffer stepped"),
    ):
        if turns:
            errors = [t.error_ms for t in turns if t.error_ms is not None]
            ax.scatter([t.injected_ms for t in turns], errors, s=12, color=colour, label=f"{label} ({len(turns)})")
    _lines(ax, agreement([t.error_ms for t in setting.steady if t.error_ms is not None]))
    ax.set_xlabel("injected D − D0, ms")
    ax.set_ylabel("measured − injected, ms")
    ax.legend(fontsize=7)


def _detector(ax: Axes, setting: Setting) -> None:
    chirps = [a.chirp_error_ms for a in setting.answers if a.chirp_error_ms is not None]
    words = [a.speech_error_ms for a in setting.answers if a.speech_error_ms is not None]
    if not chirps and not words:
        return
    low, high = np.floor(min([*chirps, *words])), np.ceil(max([*chirps, *words]))
    bins = np.arange(low - 0.5, high + 1.0, 0.5).tolist()
    ax.hist(chirps, bins=bins, color=CHIRP, alpha=0.6, label=f"chirp ({len(chirps)})")
    ax.hist(words, bins=bins, color=SPEECH, alpha=0.6, label=f"speech ({len(words)})")
    ax.set_xlabel("detected − true onset, ms")
    ax.legend(fontsize=7)


def _probe(ax: Axes, setting: Setting) -> None:
    pairs = probe_pairs(setting)
    deltas = [ear - probe for ear, probe in pairs]
    ax.scatter([(ear + probe) / 2 for ear, probe in pairs], deltas, s=12, color=CHIRP)
    _lines(ax, agreement(deltas))
    ax.set_xlabel("mean of both KPIs, ms")
    ax.set_ylabel("browser − probe, ms")


def _floors(settings: Sequence[Setting], path: Path) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    spread = np.random.default_rng(0)
    for place, setting in enumerate(settings):
        floors = [t.floor_ms for t in setting.counted if t.floor_ms is not None]
        colour = STEADY if setting.lane == "browser" else CHIRP
        ax.scatter(place + spread.uniform(-0.25, 0.25, len(floors)), floors, s=8, color=colour, alpha=0.6)
    ax.set_xticks(range(len(settings)), [s.name for s in settings], fontsize=8)
    ax.set_ylabel("KPI of the first answer − D0, ms")
    figure.savefig(path, dpi=DPI)
