"""The sound on the agent's side while nobody speaks there: noise, hum, the user's own voice, somebody else's.

Between replies the agent publishes silence, so anything that can be heard then came in by mistake. Levels in dBFS over the
spans at least 300 ms behind a reply and 100 ms ahead of the next; hum is what stands at the multiples of 50 or 60 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft, rfftfreq

from harness.listen.place.replies import SAMPLES_PER_MS, HeardReply
from harness.listen.place.ring import Ring
from harness.listen.place.scene import Scene
from harness.listen.read.records import no_number, not_applicable, number
from harness.model.measurement import Metric

SUFFIX = {"post_rtc": "", "ear": "_ear"}
OF_A_CALL = (
    ("user_echo_count", "count"), ("foreign_sound_count", "count"), ("noise_floor_dbfs", "dBFS"), ("hum_dbfs", "dBFS"),
)  # fmt: skip
NOT_TOLD = "the agent does not tell when it speaks (docs/how_to/own_agent.md)"

AFTER_REPLY_MS = 300.0
BEFORE_REPLY_MS = 100.0
MIN_SPAN_MS = 200.0
FRAME = 20 * SAMPLES_PER_MS
HUM_SPAN = 9_600  # 200 ms: 5 Hz a bin
HUM_BASES_HZ = (50.0, 60.0)
HUM_HARMONICS = 8
HUM_SHARE = 0.5  # of all that sounds below 1 kHz, at multiples of one base
MOST_SPANS = 400
SILENCE_DBFS = -120.0


@dataclass(frozen=True)
class Background:
    """`noise_dbfs`: the median of the noisiest span's 20 ms frames; `hum_dbfs`: the mains' harmonics in it."""

    noise_dbfs: float
    hum_dbfs: float | None


def quiet_spans(ring: Ring, heard: Sequence[HeardReply], loose: Sequence[HeardReply]) -> list[tuple[int, int]]:
    """Between replies and echoes; other unexplained sounds may be noise or hum."""
    busy = sorted(
        (h.start - BEFORE_REPLY_MS * SAMPLES_PER_MS, h.end + AFTER_REPLY_MS * SAMPLES_PER_MS) for h in [*heard, *loose]
    )
    spans, position = [], 0.0
    for start, end in [*busy, (float(len(ring.audio)), float(len(ring.audio)))]:
        if start - position >= MIN_SPAN_MS * SAMPLES_PER_MS:
            spans.append((int(position), int(start)))
        position = max(position, end)
    return spans[:MOST_SPANS]


def background_of(ring: Ring, spans: Sequence[tuple[int, int]]) -> Background | None:
    """None if the agent is never silent."""
    if not spans:
        return None
    measured = [_span_levels(np.asarray(ring.audio.samples[start:end], np.float64)) for start, end in spans]
    noise, spectrum, pieces = max(measured, key=lambda found: found[0])
    return Background(float(10 * np.log10(noise + 1e-12)), _hum_dbfs(spectrum / max(pieces, 1), pieces))


def _span_levels(part: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64], int]:
    """(median power of its 20 ms frames, summed power spectrum of its pieces of 200 ms, how many these are)."""
    frames = part[: len(part) // FRAME * FRAME].reshape(-1, FRAME)
    spectrum, pieces = np.zeros(HUM_SPAN // 2 + 1), 0
    for at in range(0, len(part) - HUM_SPAN + 1, HUM_SPAN):
        spectrum += np.abs(rfft(part[at : at + HUM_SPAN] * np.hanning(HUM_SPAN))) ** 2
        pieces += 1
    return float(np.median(np.mean(frames**2, axis=1))), spectrum, pieces


def _hum_dbfs(power: npt.NDArray[np.float64], pieces: int) -> float | None:
    if pieces == 0:
        return None
    frequencies = rfftfreq(HUM_SPAN, 1 / 48_000)
    low = (frequencies > 30) & (frequencies < 1_000)
    total = float(power[low].sum())
    scale = 2 / (np.sum(np.hanning(HUM_SPAN) ** 2) * HUM_SPAN)
    for base_hz in HUM_BASES_HZ:
        on = np.zeros(len(frequencies), bool)
        for k in range(1, HUM_HARMONICS + 1):
            on |= np.abs(frequencies - k * base_hz) <= 6.0
        share = float(power[on & low].sum()) / max(total, 1e-20)
        if share > HUM_SHARE:
            return float(10 * np.log10(scale * power[on & low].sum() + 1e-12))
    return None


def background_metrics(scene: Scene) -> dict[str, Metric]:
    """The call's metrics, only for an agent that announces its replies: no other shows when it means to be silent."""
    if not scene.announced:
        return (
            {}
            if scene.capture.manifest.agent.instrumented
            else {name: not_applicable(unit, NOT_TOLD) for name, unit in OF_A_CALL}
        )
    metrics: dict[str, Metric] = {}
    for name, suffix in SUFFIX.items():
        if name not in scene.rings:
            continue
        heard, echoes = scene.heard[name], scene.echoes[name]
        loose = [h for h in heard if h.seq is None]
        metrics[f"user_echo_count{suffix}"] = number(len(echoes), "count")
        metrics[f"foreign_sound_count{suffix}"] = number(len(loose), "count")
        ring = scene.rings[name]
        found = background_of(
            ring, quiet_spans(ring, [h for h in heard if h.seq is not None], [echo.heard for echo in echoes])
        )
        noise, hum = f"noise_floor{suffix}_dbfs", f"hum{suffix}_dbfs"
        if found is None:
            metrics[noise] = no_number("dBFS", "the agent is never silent for long enough")
            continue
        metrics[noise] = number(found.noise_dbfs, "dBFS")
        stands_out = found.hum_dbfs is not None
        metrics[hum] = number(
            found.hum_dbfs if found.hum_dbfs is not None else SILENCE_DBFS,
            "dBFS",
            reason="" if stands_out else "none stands out",
        )
    return metrics
