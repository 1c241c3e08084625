"""Dead air: the silence that the user hears while it is the agent's turn, and when the answer comes after a filler.

From the user's last voiced sample to the agent's last sound before the user speaks again, at the user's own listener. A filler
("let me check…") ends the wait and is no answer: the answer is what follows the turn's last silence of ANSWER_AFTER_MS. Pauses
within speech are no dead air; metrics.md (e) has how the end of turn is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.listen.metrics.words import expected_of_turn
from harness.listen.place.onset import Sound
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.scene import Scene
from harness.listen.place.timing import Answer
from harness.listen.place.turns import TurnHeard, until_next_turn
from harness.listen.read.records import no_number, number
from harness.model.expect import Expectation
from harness.model.measurement import Metric

PAUSE_MS = 500.0  # between two sentences a voice pauses for 200 to 400 ms
ANSWER_AFTER_MS = 1_000.0
ANSWER_LEAST_MS = 150.0  # a shorter sound at the end of a turn is no answer


@dataclass(frozen=True)
class DeadAir:
    """ms. `total`: of silences from PAUSE_MS on, the wait for the first sound among them. `answer`: end of turn → answer.
    `longest_at`: the sample at which the longest begins.
    """

    longest_ms: float
    total_ms: float
    answer_ms: float
    longest_at: float


def find_dead_air(end: float, sounds: Sequence[Sound], words: Sequence[int] = ()) -> DeadAir | None:
    """`end`: of the user's turn, in samples; `sounds`: of the agent after it, in order; `words`: where its words begin, as far
    as that is known. None without a sound.
    """
    if not sounds:
        return None
    starts = [end, *(sound.end for sound in sounds[:-1])]
    silences = [max(0.0, (sound.start - start) / SAMPLES_PER_MS) for start, sound in zip(starts, sounds, strict=True)]
    answers = [
        index
        for index in range(len(sounds))
        if (index == 0 or silences[index] >= ANSWER_AFTER_MS) and _lasts_ms(sounds, silences, index) >= ANSWER_LEAST_MS
    ]
    answer = sounds[answers[-1] if answers else 0]
    at = next((word for word in words if answer.start <= word < answer.end), answer.start)
    return DeadAir(
        longest_ms=max(silences),
        total_ms=sum(silence for silence in silences if silence >= PAUSE_MS),
        answer_ms=(at - end) / SAMPLES_PER_MS,
        longest_at=starts[silences.index(max(silences))],
    )


def _lasts_ms(sounds: Sequence[Sound], silences: Sequence[float], index: int) -> float:
    """How much sound there is from here to the next long silence."""
    length = sounds[index].end - sounds[index].start
    for later in range(index + 1, len(sounds)):
        if silences[later] >= ANSWER_AFTER_MS:
            break
        length += sounds[later].end - sounds[later].start
    return length / SAMPLES_PER_MS


def dead_air_metrics(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """Of a turn that was answered; what the case allows is held against it."""
    answer, expected = turn.answers.get(scene.primary), expected_of_turn(scene, turn)
    if turn.utterance is None or answer is None:
        return {}
    if answer.talk_over and answer.reply in answer.talk_over:
        return {}  # it spoke into the user's words
    found = find_dead_air(
        answer.turn.end, sounds_of_turn(scene, answer), [h.first_word for h in until_next_turn(scene, answer)]
    )
    if found is None:
        return _none(expected)
    metrics = {
        "dead_air_longest_ms": number(found.longest_ms, "ms", uncertainty=round(answer.turn.error_ms, 2)),
        "dead_air_ms": number(found.total_ms, "ms", reason=f"silences of {PAUSE_MS:.0f} ms and more"),
        "time_to_answer_ms": number(found.answer_ms, "ms", uncertainty=round(answer.turn.error_ms, 2)),
    }
    return metrics | _held(expected, found)


def _held(expected: Expectation | None, found: DeadAir) -> dict[str, Metric]:
    over: dict[str, Metric] = {}
    if expected is not None and expected.dead_air_max_ms is not None:
        over["dead_air_over_ms"] = _over(found.longest_ms, expected.dead_air_max_ms, "the longest silence lasts")
    if expected is not None and expected.answer_within_ms is not None:
        over["answer_over_ms"] = _over(found.answer_ms, expected.answer_within_ms, "the answer comes after")
    return over


def _over(value_ms: float, limit_ms: float, said: str) -> Metric:
    return number(max(0.0, value_ms - limit_ms), "ms", reason=f"{said} {value_ms:.0f} ms, {limit_ms:.0f} allowed")


def _none(expected: Expectation | None) -> dict[str, Metric]:
    if expected is None:
        return {}
    asked = {"dead_air_over_ms": expected.dead_air_max_ms, "answer_over_ms": expected.answer_within_ms}
    return {name: no_number("ms", "no reply is heard") for name, limit in asked.items() if limit is not None}


def sounds_of_turn(scene: Scene, answer: Answer) -> list[Sound]:
    """The sounds of those replies; for an agent with music on a track of its own, its replies as they are."""
    replies = until_next_turn(scene, answer)
    if scene.voice is not None:
        return [Sound(reply.start, reply.end) for reply in replies]
    found = []
    for reply in replies:
        for sound in scene.rings[scene.primary].sounds:
            start, end = max(sound.start, reply.start), min(sound.end, reply.end)
            if start < end:
                found.append(Sound(start, end))
    return found
