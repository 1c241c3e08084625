"""A turn's figures where the ear's own clock stepped: each that uses both sides of a step says so. Pure.

A difference of two samples across a step is off by at most the step's size (the context and its input stood still or jumped
meanwhile): its uncertainty grows by that, and beyond half a device buffer it is not believed. A figure on one side stays
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.listen.place.scene import Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.ear_clock import Step, steps_in_words
from harness.listen.read.records import disbelieved
from harness.model.measurement import Metric

FROM_EARS_TRACK = ("stats_vs_track_ms", "way_besides_buffer_ms")
STEP_LIMIT_MS = 5.0  # half of a native device's buffer, which is the usual size of a step


def across(scene: Scene, ring: str, metric: Metric, one: float, other: float) -> Metric:
    """A difference of two samples of a ring."""
    return over(metric, scene.clocks.steps(ring, min(one, other), max(one, other)))


def over(metric: Metric, steps: Sequence[Step]) -> Metric:
    if not steps or metric.value is None:
        return metric
    off_ms = sum(abs(step.size_ms) for step in steps)
    wider = metric.model_copy(update={"uncertainty": round((metric.uncertainty or 0.0) + off_ms, 2)})
    return named(wider, steps, believed=off_ms <= STEP_LIMIT_MS)


def named(metric: Metric, steps: Sequence[Step], *, believed: bool = False) -> Metric:
    """The same number with its clock's steps in words."""
    if not steps or metric.value is None:
        return metric
    if not believed:
        return disbelieved(metric, steps_in_words(steps))
    return metric.model_copy(update={"reason": "; ".join(filter(None, [metric.reason, steps_in_words(steps)]))})


def of_answer(scene: Scene, turn: TurnHeard) -> list[Step]:
    """Steps between the user's last word and the reply's first sound at the user."""
    answer = turn.answers.get(scene.primary)
    if answer is None or answer.reply is None:
        return []
    one, other = answer.turn.end, float(answer.reply.start)
    return scene.clocks.steps(scene.primary, min(one, other), max(one, other))


def inside_reply(scene: Scene, turn: TurnHeard, metrics: dict[str, Metric]) -> dict[str, Metric]:
    """Metrics of the sound at the ear are not believed where its clock stepped in the reply: we may be the cause."""
    heard = turn.heard.get("ear")
    steps = scene.clocks.steps("ear", heard.start, heard.end) if heard is not None else []
    if sum(abs(step.size_ms) for step in steps) <= STEP_LIMIT_MS:
        return metrics
    return {name: named(metric, steps) if _at_ear(name) else metric for name, metric in metrics.items()}


def _at_ear(name: str) -> bool:
    return "_ear" in name or name in FROM_EARS_TRACK
