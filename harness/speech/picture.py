"""A picture of a built case: waveform and spectrogram on one time axis, its truth marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.model.plan import BuiltCase


def draw_case(built: BuiltCase, png: Path) -> None:
    samples, rate_hz = soundfile.read(built.wav, dtype="float32")
    figure = Figure(figsize=(11, 4.6), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    wave, spectrum = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    t = np.arange(len(samples)) / rate_hz
    wave.plot(t, samples, linewidth=0.4, color="#33506e")
    wave.set_ylim(-1.05, 1.05)
    wave.set_ylabel("amplitude")
    wave.set_title(f"{built.case.id}: {built.case.title}", loc="left", fontsize=10)
    noise = 1e-6 * np.random.default_rng(0).standard_normal(len(samples))  # keeps log(0) out of the picture
    spectrum.specgram(samples + noise, NFFT=1024, Fs=rate_hz, noverlap=768, cmap="magma", vmin=-120, vmax=-30)
    spectrum.set_ylim(0, 12_000)
    spectrum.set_ylabel("Hz")
    spectrum.set_xlabel("seconds")
    for axes in (wave, spectrum):
        for utterance in built.truth.utterances:
            axes.axvline(utterance.start_sample / rate_hz, color="#2a9d3a", linewidth=1)
            axes.axvline(utterance.end_sample / rate_hz, color="#d1323a", linewidth=1)
    for utterance in built.truth.utterances:
        start, end = utterance.start_sample / rate_hz, utterance.end_sample / rate_hz
        wave.axvspan(start, end, color="#2a9d3a", alpha=0.10, linewidth=0)
        label = f"{start * 1e3:.1f} – {end * 1e3:.1f} ms"
        wave.annotate(label, (start, 1.0), fontsize=7, va="top", xytext=(2, 0), textcoords="offset points")
        for pause_start, pause_end in utterance.pauses:
            wave.axvspan(pause_start / rate_hz, pause_end / rate_hz, color="#e9a23b", alpha=0.25, linewidth=0)
    for spike in built.truth.impulses:
        wave.plot(spike / rate_hz, 1.0, marker="v", color="#7a3fb0", markersize=6, clip_on=False)
    wave.set_xlim(0, len(samples) / rate_hz)
    figure.savefig(png)
