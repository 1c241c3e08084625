"""The audio metrics of one reply in its recordings: holes, clipping, validity and identity, length, arrival.

Ring 1 compares pre_rtc with post_rtc (the second listener), ring 2 with ear (the browser). Positions of defects are ms
in the recording they are named under.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.listen.metrics.arrival import inter_arrival
from harness.listen.metrics.continuity import READING_ERROR_MS, Hole, dropouts, find_holes
from harness.listen.metrics.latency import NO_EAR, NO_SECOND_LISTENER, NOT_INSTRUMENTED
from harness.listen.metrics.level import AUDIBLE_RMS, FULL_SCALE, active_rms, clipping_ratio
from harness.listen.place.onset import runs
from harness.listen.place.replies import SAMPLES_PER_MS, AnnouncedReply, HeardReply
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, not_applicable, number
from harness.model import capture
from harness.model.audio import Audio
from harness.model.events import ReplyCause
from harness.model.measurement import Defect, Metric

SUFFIX = {"post_rtc": "", "ear": "_ear"}
IDENTITY_MIN = (
    0.6  # median correlation over 128 ms windows: unrelated speech reaches 0.45, Opus at 24 kbit/s keeps 0.95
)
MIN_COMPARED_MS = 300.0  # shorter is too little to tell whose sound it is
MAX_LISTED_CLIPS = 20
EDGE_MS = 8.0
NO_REPLY = "no reply is heard after this turn"


def sound_metrics(scene: Scene, turn: TurnHeard) -> tuple[dict[str, Metric], list[Defect]]:
    """Metrics and defects of one reply, all rings."""
    metrics: dict[str, Metric] = {"reply_ms": _reply_ms(scene, turn)}
    defects: list[Defect] = []
    for ring in SUFFIX:
        if ring in turn.too_early:
            continue
        found, faults = _ring_metrics(scene, turn, ring)
        metrics |= found
        defects += faults
    if is_syllable(scene, turn):
        names = ("reply_ms", "clipping_ratio", "clipping_ratio_ear")
        return {name: metrics[name] for name in names if name in metrics}, []
    metrics |= _identity(scene, turn) | _own_at_ear(scene, turn)
    defects += _foreign_replies(turn)
    if "post_rtc" not in turn.too_early:
        metrics["inter_arrival_p95_ms"] = _arrival(scene, turn)
    return metrics, defects


def is_syllable(scene: Scene, turn: TurnHeard) -> bool:
    """A reply that answers nothing and was cut off at once: too little to judge its sound."""
    heard = turn.heard.get(scene.primary)
    return not turn.is_answer and heard is not None and heard.duration_ms < MIN_COMPARED_MS


def _excluded(scene: Scene, ring: str, unit: str) -> Metric | None:
    manifest = scene.capture.manifest
    if ring == "ear" and manifest.lane == "bot":
        return not_applicable(unit, NO_EAR)
    if ring == "post_rtc" and manifest.second_listener == "none":
        return not_applicable(unit, NO_SECOND_LISTENER)
    return None


def _not_heard(scene: Scene, turn: TurnHeard, ring: str) -> str:
    if not turn.heard and turn.is_answer and not scene.tells and ring in scene.rings:
        return NO_REPLY
    if ring not in scene.rings:
        return scene.capture.why_missing(ring)
    return f"{ring}.wav is silent" if scene.rings[ring].silent() else f"the reply is not heard in {ring}.wav"


def _slice(scene: Scene, ring: str, heard: HeardReply) -> Audio:
    return scene.rings[ring].audio.slice_ms(heard.start / SAMPLES_PER_MS, heard.end / SAMPLES_PER_MS)


def _reply_ms(scene: Scene, turn: TurnHeard) -> Metric:
    heard = turn.heard.get(scene.primary)
    return no_number("ms", _not_heard(scene, turn, scene.primary)) if heard is None else number(heard.duration_ms, "ms")


def _ring_metrics(scene: Scene, turn: TurnHeard, ring: str) -> tuple[dict[str, Metric], list[Defect]]:
    gap, dropout = f"max_gap{SUFFIX[ring]}_ms", f"dropout_count{SUFFIX[ring]}"
    clipping = f"clipping_ratio{SUFFIX[ring]}"
    excluded = {name: _excluded(scene, ring, unit) for name, unit in _units(gap, dropout, clipping)}
    if all(excluded.values()):
        return {name: metric for name, metric in excluded.items() if metric is not None}, []
    heard = turn.heard.get(ring)
    metrics: dict[str, Metric] = {}
    defects: list[Defect] = []
    if heard is None:
        metrics[clipping] = no_number("ratio", _not_heard(scene, turn, ring))
    else:
        part = _slice(scene, ring, heard)
        ratio = clipping_ratio(part)
        metrics[clipping] = no_number("ratio", "the reply is empty") if ratio is None else number(ratio, "ratio")
        defects += _clips(part, heard, ring)
    holes = _holes(scene, turn, ring)
    if isinstance(holes, Metric):
        metrics[gap], metrics[dropout] = holes, holes.model_copy(update={"unit": "count"})
        return metrics, defects
    assert heard is not None
    holes = _within(holes, heard)
    audible = dropouts(holes, heard.duration_ms)
    metrics[gap] = number(max((hole.duration_ms for hole in holes), default=0.0), "ms", uncertainty=READING_ERROR_MS)
    metrics[dropout] = number(len(audible), "count")
    return metrics, defects + [_hole_defect(hole, ring, hole in audible) for hole in holes]


def _within(holes: list[Hole], heard: HeardReply) -> list[Hole]:
    """The holes without those at the reply's very beginning and end, which are lost heads or tails."""
    begin_ms, end_ms = heard.start / SAMPLES_PER_MS, heard.end / SAMPLES_PER_MS
    return [h for h in holes if h.start_ms + h.duration_ms > begin_ms + EDGE_MS and h.start_ms < end_ms - EDGE_MS]


def _units(gap: str, dropout: str, clipping: str) -> list[tuple[str, str]]:
    return [(gap, "ms"), (dropout, "count"), (clipping, "ratio")]


def _holes(scene: Scene, turn: TurnHeard, ring: str) -> list[Hole] | Metric:
    """The holes, or the metric that says why there can be none."""
    pre, announced, heard = scene.rings.get("pre_rtc"), turn.announced, turn.heard.get(ring)
    if pre is None:
        if not scene.capture.manifest.agent.instrumented:
            return not_applicable("ms", f"needs {capture.PRE_RTC}; {NOT_INSTRUMENTED}")
        return no_number("ms", scene.capture.why_missing("pre_rtc"))
    if heard is None:
        return no_number("ms", _not_heard(scene, turn, ring))
    if announced is None or announced.pre is None:
        return no_number("ms", "the reply's place in pre_rtc.wav is not known")
    if heard.other_rate is not None:
        return no_number("ms", f"the reply in {ring}.wav plays at another speed: its pauses are not the published ones")
    if heard.track is None or heard.identity is None or heard.identity < IDENTITY_MIN:
        return no_number("ms", f"the reply in {ring}.wav could not be aligned with pre_rtc.wav")
    span = (announced.pre.start // DECIMATION, -(-announced.pre.end // DECIMATION))
    return find_holes(
        pre,
        span,
        scene.rings[ring],
        heard.track,
        (heard.start / DECIMATION, heard.end / DECIMATION),
        cut=announced.cause == ReplyCause.INTERRUPTED,
        skip=_expected_silence(scene, announced),
    )


def _expected_silence(scene: Scene, announced: AnnouncedReply) -> Sequence[tuple[float, float]]:
    """Designed pauses of the reply, counted from its first audible sample; in pre's band."""
    case = scene.capture.case
    if case is None or announced.pre is None:
        return []
    per_ms = BAND_RATE_HZ / 1e3
    first = announced.pre.start / DECIMATION
    return [
        (first + s.start_ms * per_ms, first + s.end_ms * per_ms) for s in case.expected_silence if s.where == "reply"
    ]


def _hole_defect(hole: Hole, ring: str, audible: bool) -> Defect:
    return Defect(
        kind="dropout" if audible else "gap",
        ring="ear" if ring == "ear" else "post_rtc",
        start_ms=round(hole.start_ms, 3),
        duration_ms=round(hole.duration_ms, 3),
        detail="silence was put in" if hole.inserted else "sound was lost",
    )


def _clips(part: Audio, heard: HeardReply, ring: str) -> list[Defect]:
    """Runs of full-scale samples that are more than the top of one wave, the longest few."""
    found = [run for run in runs(np.abs(part.samples) >= FULL_SCALE) if run[1] - run[0] >= 2]
    longest = sorted(found, key=lambda run: run[0] - run[1])[:MAX_LISTED_CLIPS]
    return [
        Defect(
            kind="clipping",
            ring="ear" if ring == "ear" else "post_rtc",
            start_ms=round((heard.start + first) / SAMPLES_PER_MS, 3),
            duration_ms=round((last - first + 1) / SAMPLES_PER_MS, 3),
            detail=f"{last - first + 1} samples at full scale",
        )
        for first, last in sorted(longest)
    ]


def _identity(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """Is the reply audible, and is it the agent's own? In the slice alone, never in the whole recording (H-204)."""
    alone = scene.capture.manifest.second_listener == "none" or "post_rtc" in turn.too_early
    ring = "ear" if alone else "post_rtc"
    same = _same_sound(scene, turn, ring)
    if ring not in scene.rings:
        return {"identity": same, "audio_valid": no_number("bool", scene.capture.why_missing(ring))}
    heard = turn.heard.get(ring)
    if heard is None and not turn.heard and not scene.tells:
        return {"identity": same, "audio_valid": no_number("bool", NO_REPLY)}  # no reply to be valid
    if heard is None:
        valid = number(0, "bool", reason=_not_heard(scene, turn, ring))
        return {"identity": same, "audio_valid": valid}
    rms = active_rms(_slice(scene, ring, heard))
    if rms < AUDIBLE_RMS:
        valid = number(0, "bool", reason=f"RMS {rms:.4f} in {ring}.wav is below {AUDIBLE_RMS}")
    elif same.value is not None and same.value < IDENTITY_MIN:
        valid = number(0, "bool", reason=_other_sound(same.value))
    elif heard.other_rate is not None:
        valid = number(0, "bool", reason=_at_another_rate(heard.other_rate))
    else:
        valid = number(1, "bool", reason="" if same.value is not None else f"by level alone: {same.reason}")
    return {"identity": same, "audio_valid": valid}


def _own_at_ear(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """Whether what the ear hears is the agent's own, beside the second listener; empty where nothing can be compared.

    How loud it is there is the page's affair.
    """
    same = _same_sound(scene, turn, "ear")
    if same.value is None or scene.capture.manifest.second_listener == "none" or "ear" in turn.too_early:
        return {}
    why = "" if same.value >= IDENTITY_MIN else _other_sound(same.value)
    rate = turn.heard["ear"].other_rate
    if not why and rate is not None:
        why = _at_another_rate(rate)
    return {"identity_ear": same, "audio_valid_ear": number(0 if why else 1, "bool", reason=why)}


def _foreign_replies(turn: TurnHeard) -> list[Defect]:
    """A reply in whose place something else is heard. One that was followed at another speed or pitch is the agent's own."""
    found = []
    for ring in SUFFIX:
        heard = turn.heard.get(ring)
        if heard is None or heard.identity is None or heard.identity >= IDENTITY_MIN:
            continue
        if heard.course is not None and heard.track is not None:
            continue
        if ring not in turn.too_early and (heard.duration_ms >= MIN_COMPARED_MS or heard.aligned):
            found.append(
                Defect(
                    kind="foreign_sound",
                    ring="ear" if ring == "ear" else "post_rtc",
                    start_ms=round(heard.start / SAMPLES_PER_MS, 3),
                    duration_ms=round(heard.duration_ms, 3),
                    detail=_other_sound(heard.identity),
                )
            )
    return found


def _other_sound(identity: float) -> str:
    return f"it is not what the agent published: correlation {identity:.2f}, below {IDENTITY_MIN}"


def _at_another_rate(ratio: float) -> str:
    return f"it lasts {ratio:.3f} times as long as it was published: another sample rate, or another tempo"


def _same_sound(scene: Scene, turn: TurnHeard, ring: str) -> Metric:
    heard, announced = turn.heard.get(ring), turn.announced
    if "pre_rtc" not in scene.rings:
        if not scene.capture.manifest.agent.instrumented:
            return not_applicable("ratio", f"needs {capture.PRE_RTC}; {NOT_INSTRUMENTED}")
        return no_number("ratio", scene.capture.why_missing("pre_rtc"))
    if heard is None:
        return no_number("ratio", _not_heard(scene, turn, ring))
    if heard.duration_ms < MIN_COMPARED_MS and not heard.aligned:
        return no_number("ratio", f"{heard.duration_ms:.0f} ms are too short to compare with pre_rtc.wav")
    if heard.identity is None:
        if announced is None or announced.pre is None:
            return no_number("ratio", "the reply's place in pre_rtc.wav is not known")
        return no_number("ratio", "the reply is not aligned")
    return number(heard.identity, "ratio")


def _arrival(scene: Scene, turn: TurnHeard) -> Metric:
    excluded = _excluded(scene, "post_rtc", "ms")
    if excluded is not None:
        return excluded
    heard = turn.heard.get("post_rtc")
    if scene.capture.arrivals is None:
        return no_number("ms", scene.capture.why_missing(capture.ARRIVALS))
    if heard is None:
        return no_number("ms", _not_heard(scene, turn, "post_rtc"))
    return inter_arrival(scene.capture.arrivals, (heard.start, heard.end), scene.capture.load)
