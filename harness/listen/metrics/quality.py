"""Scores of a reply as a whole, a trend beside the defects and never a gate: no MOS sees a short hole (metrics.md, table 1).

Full reference: ViSQOL v3 in speech mode (16 kHz), the reply in pre_rtc against the primary listener's recording; its
worst patch (NSIM, 0 to 1) says more than its MOS. No reference: DNSMOS P.835 of the recording, which hears added noise.
Both come from the extra `quality`; without it they are NOT_APPLICABLE.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from harness.listen.metrics.latency import NOT_INSTRUMENTED
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, not_applicable, number
from harness.model import capture
from harness.model.audio import Audio, FloatArray
from harness.model.measurement import Metric

RATE_HZ = 16_000  # of both models
PADDING_MS = 500.0  # ViSQOL's README: half a second of silence on each side
SHORTEST_MS = 600.0  # two of ViSQOL's patches; below it a score says nothing
INSTALL = "needs the extra: pip install 'earwitness[quality]'"
FULL_REFERENCE = {"visqol_mos": "MOS", "visqol_worst_nsim": "ratio"}
NO_REFERENCE = {"dnsmos_ovrl": "MOS", "dnsmos_sig": "MOS", "dnsmos_bak": "MOS"}


def quality_metrics(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """All scores of one reply where the user listens."""
    heard = turn.heard.get(scene.primary)
    if heard is None:
        return _none(FULL_REFERENCE | NO_REFERENCE, f"the reply is not heard in {scene.primary}.wav")
    if heard.duration_ms < SHORTEST_MS:
        return _none(FULL_REFERENCE | NO_REFERENCE, f"{heard.duration_ms:.0f} ms are too short for a score")
    recording = scene.rings[scene.primary].audio
    part = recording.slice_ms(heard.start / SAMPLES_PER_MS, heard.end / SAMPLES_PER_MS)
    return _full_reference(scene, turn, part) | _no_reference(part)


def _none(units: dict[str, str], reason: str) -> dict[str, Metric]:
    return {name: no_number(unit, reason) for name, unit in units.items()}


def _excluded(units: dict[str, str], reason: str) -> dict[str, Metric]:
    return {name: not_applicable(unit, reason) for name, unit in units.items()}


def _full_reference(scene: Scene, turn: TurnHeard, part: Audio) -> dict[str, Metric]:
    visqol = _visqol()
    if isinstance(visqol, str):
        return _excluded(FULL_REFERENCE, visqol)
    pre = scene.rings.get("pre_rtc")
    if pre is None:
        if not scene.capture.manifest.agent.instrumented:
            return _excluded(FULL_REFERENCE, f"needs {capture.PRE_RTC}; {NOT_INSTRUMENTED}")
        return _none(FULL_REFERENCE, scene.capture.why_missing("pre_rtc"))
    if turn.announced is None or turn.announced.pre is None:
        return _none(FULL_REFERENCE, "the reply's place in pre_rtc.wav is not known")
    span = turn.announced.pre
    reference = _padded(pre.audio.slice_ms(span.start / SAMPLES_PER_MS, span.end / SAMPLES_PER_MS))
    try:
        found = visqol.measure_from_arrays(reference, _padded(part), RATE_HZ)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        return _none(FULL_REFERENCE, f"visqol: {error}")
    worst = min((patch.similarity for patch in found.patch_sims), default=None)
    return {
        "visqol_mos": number(found.moslqo, "MOS"),
        "visqol_worst_nsim": no_number("ratio", "visqol: no patch")
        if worst is None
        else number(round(float(worst), 3), "ratio"),
    }


def _no_reference(part: Audio) -> dict[str, Metric]:
    dnsmos = _dnsmos()
    if isinstance(dnsmos, str):
        return _excluded(NO_REFERENCE, dnsmos)
    try:
        scores = dnsmos.run(np.clip(_at_16_khz(part), -1.0, 1.0), RATE_HZ)
    except (ValueError, RuntimeError) as error:
        return _none(NO_REFERENCE, f"speechmos: {error}")
    names = {"dnsmos_ovrl": "ovrl_mos", "dnsmos_sig": "sig_mos", "dnsmos_bak": "bak_mos"}
    return {name: number(float(scores[key]), "MOS") for name, key in names.items()}


def _at_16_khz(audio: Audio) -> FloatArray:
    return resample_poly(audio.samples, 1, audio.rate_hz // RATE_HZ).astype(np.float32)


def _padded(audio: Audio) -> Any:
    silence = round(PADDING_MS * RATE_HZ / 1e3)
    return np.pad(_at_16_khz(audio), silence).astype(np.float64)


@cache
def _visqol() -> Any:
    """The model in speech mode, or why there is none. The polynomial mapping: the lattice is not monotonic."""
    try:
        from visqol import VisqolApi
    except ImportError as error:
        return f"{INSTALL} ({error})"
    model = VisqolApi()
    model.create(mode="speech", use_lattice_model=False)
    return model


@cache
def _dnsmos() -> Any:
    """The module with the model in it, or why there is none."""
    try:
        from speechmos import dnsmos
    except ImportError as error:
        return f"{INSTALL} ({error})"
    return dnsmos
