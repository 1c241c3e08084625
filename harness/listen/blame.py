"""Where a defect was born: before RTC, in RTC, or at the ear, by comparing the rings.

A defect already in pre_rtc was born before RTC. One that pre_rtc lacks and post_rtc has was born in RTC; one in ear alone,
at the ear (the browser's own leg of the way, jitter buffer, page). Times count from the beginning of the reply in each
ring. Without the ring that decides, the birth stays unknown, and the evidence names that ring.
"""

from __future__ import annotations

from harness.listen.metrics.gaps import HOLES
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.model.measurement import Born, Defect, DefectKind

SAME_PLACE_MS = 150.0
BESIDE_MS = 40.0  # what a codec smears, and how well a place is known
NO_VOICE: tuple[DefectKind, ...] = ("garbage", "steady_sound")
ALIKE: tuple[tuple[DefectKind, ...], ...] = (
    HOLES, ("click", "noise_burst", "boom"), ("speed", "wrong_rate", "pitch"),
)  # fmt: skip
OF_THE_WHOLE: tuple[DefectKind, ...] = (
    "speed", "wrong_rate", "pitch", "bandwidth", "level_change", "compression", "clipping", "lost_head", "lost_tail",
    "leading_silence", "late",
)  # fmt: skip


def assign_blame(scene: Scene, turn: TurnHeard, defects: list[Defect]) -> list[Defect]:
    """The same defects in order of time, each with where it was born and the evidence."""
    born = [_with_birth(scene, turn, defect, defects) for defect in defects]
    return sorted(born, key=lambda d: (d.ring, d.start_ms, d.kind))


def _with_birth(scene: Scene, turn: TurnHeard, defect: Defect, defects: list[Defect]) -> Defect:
    born, evidence = _birth(scene, turn, defect, defects)
    return defect.model_copy(update={"born": born, "evidence": evidence})


def _birth(scene: Scene, turn: TurnHeard, defect: Defect, defects: list[Defect]) -> tuple[Born, str]:
    if defect.ring == "pre_rtc":
        return "before_rtc", "it is in pre_rtc.wav, as the agent published it"
    garbage = _in_published_garbage(turn, defect, defects)
    if garbage is not None:
        return "before_rtc", f"what the agent published there is no voice ({garbage.detail}): a codec keeps it badly"
    published = _also_in("pre_rtc", scene, turn, defect, defects)
    if published is not None:
        return "before_rtc", f"pre_rtc.wav has it too, at {published.start_ms:.0f} ms"
    if "pre_rtc" not in scene.rings:
        return "unknown", "without pre_rtc.wav it cannot be told whether the agent published it so"
    if defect.ring == "post_rtc":
        return "in_rtc", "pre_rtc.wav does not have it, the second listener (post_rtc.wav) does"
    if turn.heard.get("post_rtc") is None:
        return "unknown", "pre_rtc.wav does not have it; there is no second listener to tell the way from the ear"
    other = _also_in("post_rtc", scene, turn, defect, defects)
    if other is not None:
        return "in_rtc", f"the second listener heard it too (post_rtc.wav, {other.start_ms:.0f} ms)"
    return "at_ear", "the second listener (post_rtc.wav) did not hear it"


def _also_in(ring: str, scene: Scene, turn: TurnHeard, defect: Defect, defects: list[Defect]) -> Defect | None:
    """The same kind of defect at the same place of the reply in another ring."""
    kinds = next((group for group in ALIKE if defect.kind in group), (defect.kind,))
    here, there = _begin_ms(turn, defect.ring), _begin_ms(turn, ring)
    for other in defects:
        if other.ring != ring or other.kind not in kinds:
            continue
        if defect.kind in OF_THE_WHOLE:
            return other
        if here is None or there is None:
            continue
        apart = abs((defect.start_ms - here) - (other.start_ms - there))
        if apart <= SAME_PLACE_MS + max(defect.duration_ms, other.duration_ms):
            return other
    return None


def _in_published_garbage(turn: TurnHeard, defect: Defect, defects: list[Defect]) -> Defect | None:
    """The stretch that no voice makes in pre_rtc and that the defect overlaps, on the reply's own time; of a defect of the whole
    reply, half must lie in it.
    """
    here, there = _begin_ms(turn, defect.ring), _begin_ms(turn, "pre_rtc")
    if here is None or there is None:
        return None
    start, end = defect.start_ms - here, defect.start_ms - here + defect.duration_ms
    for other in defects:
        if other.ring != "pre_rtc" or other.kind not in NO_VOICE:
            continue
        first, last = other.start_ms - there - BESIDE_MS, other.start_ms - there + other.duration_ms + BESIDE_MS
        common = min(end, last) - max(start, first)
        if common > 0 and (common >= defect.duration_ms / 2 or defect.kind not in OF_THE_WHOLE):
            return other
    return None


def _begin_ms(turn: TurnHeard, ring: str) -> float | None:
    if ring == "pre_rtc":
        return (
            None if turn.announced is None or turn.announced.pre is None else turn.announced.pre.start / SAMPLES_PER_MS
        )
    heard = turn.heard.get(ring)
    return None if heard is None else heard.start / SAMPLES_PER_MS
