"""Pictures: the rings of one attempt on one time axis, with the findings marked. Time 0 is the user's true end of turn
(see `reports.view.axis`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.model.measurement import Defect, Measurement, Turn
from reports.view.axis import NAMES, RATE_HZ, main_ring, read_rows

BEFORE_S, AFTER_S = 1.0, 0.5
LONGEST_S = 15.0
WAVE_BINS = 1200
FFT_SAMPLES, FFT_HOP_SAMPLES = 1024, 512
COLOURS = {"user": "#7a8794", "pre_rtc": "#8a5fbf", "post_rtc": "#2b7bba", "ear": "#1c8a5a"}


def draw_attempt(folder: Path, measurement: Measurement, turn: Turn, title: str, png: Path) -> bool:
    """Waveform and spectrogram of each ring of one turn. False if there is no recording to draw."""
    rows = read_rows(folder, measurement, turn)
    if not rows:
        return False
    main = main_ring(measurement)
    span = turn.spans.get(main)
    zero = next((row.zero for row in rows if row.ring == main), 0.0)
    last_s = (span.end - zero) / RATE_HZ if span is not None else 3.0
    start_s, end_s = -BEFORE_S, min(max(last_s, 1.0) + AFTER_S, LONGEST_S)
    figure = Figure(figsize=(12, 1.9 * len(rows) + 0.8), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), 2, sharex=True, squeeze=False, width_ratios=(1, 1))
    for (wave, spectrum), row in zip(grid, rows, strict=True):
        sound = row.window(start_s, end_s)
        _draw_wave(wave, row.ring, sound, start_s)
        _draw_spectrum(spectrum, sound, start_s)
        for axes in (wave, spectrum):
            axes.axvline(0.0, color="#d1323a", linewidth=1.2)
            if turn.onset_sample is not None and row.ring == main:
                axes.axvline((turn.onset_sample - zero) / RATE_HZ, color="#1c8a5a", linewidth=1.2)
            for defect in turn.defects:
                if defect.ring == row.ring:
                    _mark(axes, defect, row.zero)
    for axes in grid[-1]:
        axes.set_xlim(start_s, end_s)
    figure.supxlabel(
        "seconds after the user's last word (red)   ·   green: first sound of the agent   ·   orange: defects",
        fontsize=9,
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png)
    return True


def envelope(
    sound: npt.NDArray[np.float32], start_s: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(left edges of the bins in seconds, least, greatest sample in each). Bins hold whole samples: each is in the
    bin of its time, and none is left out.
    """
    edges = np.linspace(0, len(sound), min(WAVE_BINS, len(sound)) + 1).astype(int)[:-1]
    return start_s + edges / RATE_HZ, np.minimum.reduceat(sound, edges), np.maximum.reduceat(sound, edges)


def spectrogram_extent_s(n_samples: int, start_s: float) -> tuple[float, float]:
    """The time that a spectrogram's columns cover: each stands for one hop about the middle of its window."""
    columns = (n_samples - FFT_SAMPLES) // FFT_HOP_SAMPLES + 1
    first = start_s + (FFT_SAMPLES - FFT_HOP_SAMPLES) / 2 / RATE_HZ
    return first, first + columns * FFT_HOP_SAMPLES / RATE_HZ


def _draw_wave(axes: Axes, ring: str, sound: npt.NDArray[np.float32], start_s: float) -> None:
    edges_s, low, high = envelope(sound, start_s)
    axes.fill_between(edges_s, low, high, step="post", color=COLOURS[ring], linewidth=0)
    peak = max(0.05, float(np.max(np.abs(sound), initial=0.0)))
    axes.set_ylim(-1.1 * peak, 1.1 * peak)
    axes.set_title(NAMES[ring], loc="left", fontsize=9)
    axes.tick_params(labelsize=7)


def _draw_spectrum(axes: Axes, sound: npt.NDArray[np.float32], start_s: float) -> None:
    quiet = 1e-6 * np.random.default_rng(0).standard_normal(len(sound))  # keeps log(0) out of the picture
    axes.specgram(
        sound + quiet, NFFT=FFT_SAMPLES, Fs=RATE_HZ, noverlap=FFT_SAMPLES - FFT_HOP_SAMPLES, cmap="magma",
        vmin=-130, vmax=-40, xextent=spectrogram_extent_s(len(sound), start_s),
    )  # fmt: skip
    axes.set_ylim(0, 12_000)
    axes.set_yticks([0, 4000, 8000, 12_000], ["0", "4k", "8k", "12k"])
    axes.tick_params(labelsize=7)


def _mark(axes: Axes, defect: Defect, zero: float) -> None:
    start = defect.start_ms / 1e3 - zero / RATE_HZ
    axes.axvspan(start, start + max(defect.duration_ms / 1e3, 0.01), color="#f08a24", alpha=0.45, linewidth=0)
