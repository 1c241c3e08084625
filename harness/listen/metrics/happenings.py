"""What happened in a call that is no fault by itself, as metrics of the call: a hang-up, a turn reopened, a bed.

The live half records it (`Manifest.happenings`); the case, with the run's rules, says what is due. Each metric counts, and
says in its reason what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.listen.metrics.latency import talked_on
from harness.listen.place.bed import Bed
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.scene import Scene
from harness.listen.place.timing import interrupted_by, silence_after_barge_in_ms
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import not_applicable, number
from harness.model.measurement import Metric

SILENCE_DBFS = -120.0
BED_NAMES = {"post_rtc": "bed_dbfs", "ear": "bed_ear_dbfs"}


def happening_metrics(scene: Scene) -> dict[str, Metric]:
    """The call's metrics."""
    case = scene.capture.case
    metrics = {
        "hung_up_count": _count(scene, "hung_up", expected=case is not None and case.hangup == "expected"),
        "came_back_count": _count(scene, "came_back"),
        "reopened_count": _count(scene, "reopened"),
        "page_sound_count": _page_sounds(scene),
    }
    return metrics | _beds(scene)


def happenings_in_words(scene: Scene, turns: list[TurnHeard], metrics: Mapping[str, Metric]) -> list[str]:
    """One sentence each: what the live half noted, then what the recordings say of replies in parts, a greeting, a bed."""
    measured = [said for turn in turns if (said := _talked_on(scene, turn))]
    better_known = {"greeting"} | ({"talked_on"} if measured else set())  # from the recordings
    words = [h.detail for h in scene.capture.manifest.happenings if h.kind not in better_known] + measured
    greeting = metrics["greeting_count"]
    if greeting.value:
        words.append(greeting.reason)
    if metrics["page_sound_count"].value:
        words.append(metrics["page_sound_count"].reason)
    words += [said for turn in turns if (said := _in_parts(turn, scene.primary))]
    beds = [metrics[name] for name in BED_NAMES.values() if name in metrics]
    loudest = max((bed for bed in beds if bed.value is not None), key=lambda bed: bed.value or 0.0, default=None)
    if loudest is not None and loudest.value is not None and loudest.value > SILENCE_DBFS:
        words.append(loudest.reason)
    return words


def _talked_on(scene: Scene, turn: TurnHeard) -> str:
    """Only for an agent that announces no replies: an announced reply may have been at its end anyway."""
    answer = turn.answers.get(scene.primary)
    reply = interrupted_by(answer.turn, scene.heard[scene.primary]) if answer is not None and not scene.tells else None
    if answer is None or reply is None:
        return ""
    return talked_on(silence_after_barge_in_ms(answer.turn, reply))


def _in_parts(turn: TurnHeard, ring: str) -> str:
    """Words for an answer with a long silence inside, as a tool call leaves."""
    heard = turn.heard.get(ring)
    if heard is None or not turn.is_answer or len(heard.parts) < 2:
        return ""
    silences_ms = [(b.start - a.end) / SAMPLES_PER_MS for a, b in zip(heard.parts, heard.parts[1:], strict=False)]
    return (
        f"reply {turn.reply_seq} came in {len(heard.parts)} parts, with {max(silences_ms) / 1e3:.1f} s of silence "
        f"{'between them' if len(silences_ms) == 1 else 'at most between them'}"
    )


def _count(scene: Scene, kind: str, *, expected: bool = False) -> Metric:
    found = [happening for happening in scene.capture.manifest.happenings if happening.kind == kind]
    reason = "; ".join(happening.detail for happening in found)
    if expected and found:
        return number(0, "count", reason=f"{reason}, as expected")
    return number(len(found), "count", reason=reason)


def _page_sounds(scene: Scene) -> Metric:
    own = scene.page_sounds
    if not own:
        return number(0, "count")
    longest_ms = max(sound.end - sound.start for sound in own) / SAMPLES_PER_MS
    what, most = ("a sound", "") if len(own) == 1 else (f"{len(own)} sounds", " at most")
    reason = f"the page played {what} of its own ({longest_ms:.0f} ms{most}): nothing of the agent had come then"
    return number(len(own), "count", reason=reason)


def _beds(scene: Scene) -> dict[str, Metric]:
    names = {name: metric for name, metric in BED_NAMES.items() if name in scene.rings}
    if scene.tells:
        reason = "the agent tells its replies: what sounds between them is noise_floor_dbfs"
        return {metric: not_applicable("dBFS", reason) for metric in names.values()}
    return {metric: _bed(scene.rings[name].bed) for name, metric in names.items()}


def _bed(bed: Bed | None) -> Metric:
    if bed is None:
        return number(SILENCE_DBFS, "dBFS", reason="nothing sounds without a pause")
    level = f"{bed.level_dbfs:.0f} dBFS".replace("-", "−")
    return number(bed.level_dbfs, "dBFS", reason=f"continuous background at {level} under the agent's voice")
