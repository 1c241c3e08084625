"""The moments of a call that are worth hearing, the worst first, each with a number that stays. Pure, from the record alone.

Weights are seconds that a user would complain of: a wait and a silence weigh their length, talk-over twice its length, an
unanswered turn 5 s more, a defect by what it is. At most three moments of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.judge.numbers import show
from harness.model.call_heard import CallHeard, CallMoment, MomentKind, Side, UserTurn

MOST, MOST_OF_A_KIND = 8, 3
LONG_WAIT_MS = 1_500.0
DEAD_AIR_MS = 2_000.0
SILENCE_MS = 3_000.0  # in a mix, where nothing tells whose turn it is
TALK_OVER_MS = 200.0
TALKED_ON_MS = 500.0
UNANSWERED_S = 5.0
DEFECT_S = {
    "garbage": 6.0,
    "steady_sound": 3.0,
    "dropout": 3.0,
    "gap": 3.0,
    "clipping": 2.0,
    "noise_burst": 2.0,
    "boom": 2.0,
}


@dataclass(frozen=True)
class _Found:
    weight: float
    kind: MomentKind
    start_ms: float
    end_ms: float
    side: Side
    what: str
    why: str
    utterances: tuple[int, ...]


def with_moments(call: CallHeard) -> CallHeard:
    return call.model_copy(update={"moments": _worst(call)})


def _worst(call: CallHeard) -> list[CallMoment]:
    found = [*_waits(call), *_overlaps(call), *_defects(call), *_silences(call)]
    found.sort(key=lambda moment: (-moment.weight, moment.start_ms))
    chosen: list[_Found] = []
    for moment in found:
        alike = any(
            m.kind == moment.kind and m.utterances == moment.utterances and m.what == moment.what for m in chosen
        )
        crowded = sum(m.kind == moment.kind for m in chosen) >= MOST_OF_A_KIND
        if not alike and not crowded and len(chosen) < MOST:
            chosen.append(moment)
    if not chosen:
        chosen = list(_slowest(call))
    return [
        CallMoment(
            number=number,
            kind=moment.kind,
            start_ms=moment.start_ms,
            end_ms=moment.end_ms,
            side=moment.side,
            what=moment.what,
            why=moment.why,
            utterances=list(moment.utterances),
        )
        for number, moment in enumerate(chosen, 1)
    ]


def _waits(call: CallHeard) -> Iterator[_Found]:
    for turn in call.turns:
        silence_ms, at_ms = turn.dead_air_ms, turn.dead_air_at_ms
        if turn.ended == "unanswered" and silence_ms is not None and at_ms is not None:
            what = f"nobody answers: {show(silence_ms, 'ms')} of silence"
            yield _Found(
                UNANSWERED_S + silence_ms / 1e3, "unanswered", at_ms, at_ms + silence_ms, "agent", what, "",
                (turn.utterance,),
            )  # fmt: skip
            continue
        if turn.first_speech_ms is not None and turn.first_speech_ms >= LONG_WAIT_MS:
            yield _wait(turn, turn.first_speech_ms / 1e3)
        if silence_ms is not None and at_ms is not None and silence_ms >= DEAD_AIR_MS and at_ms > turn.end_ms + 1:
            what = f"dead air: {show(silence_ms, 'ms')} of silence while it is the agent's turn"
            yield _Found(
                silence_ms / 1e3, "dead_air", at_ms, at_ms + silence_ms, "agent", what,
                "after a first sound of the agent", (turn.utterance,),
            )  # fmt: skip


def _wait(turn: UserTurn, weight: float) -> _Found:
    assert turn.first_speech_ms is not None
    what = f"the user waits {show(turn.first_speech_ms, 'ms')} for the agent's first word"
    why = turn.reason
    start_ms, end_ms = sorted((turn.end_ms, turn.end_ms + turn.first_speech_ms))
    return _Found(weight, "wait", start_ms, end_ms, "agent", what, why, (turn.utterance,))


def _slowest(call: CallHeard) -> Iterator[_Found]:
    """Where nothing is bad: the longest wait, to be heard nevertheless."""
    timed = [turn for turn in call.turns if turn.first_speech_ms is not None]
    if timed:
        turn = max(timed, key=lambda turn: turn.first_speech_ms or 0.0)
        yield _wait(turn, 0.0)


def _overlaps(call: CallHeard) -> Iterator[_Found]:
    for both in call.overlaps:
        length_ms = both.end_ms - both.start_ms
        if both.began == "agent" and length_ms >= TALK_OVER_MS:
            what = f"the agent speaks into the user's words for {show(length_ms, 'ms')}"
            yield _Found(
                1 + 2 * length_ms / 1e3,
                "agent_over_user",
                both.start_ms,
                both.end_ms,
                "agent",
                what,
                "",
                (both.utterance,),
            )
        if both.talked_on_ms is not None and both.talked_on_ms >= TALKED_ON_MS:
            what = f"the user interrupts, and the agent talks on for {show(both.talked_on_ms, 'ms')}"
            why = "it falls silent while the user speaks" if both.yielded else "it does not stop for the user"
            before = (both.utterance - 1,) if both.utterance > 0 else ()
            yield _Found(
                both.talked_on_ms / 1e3, "barge_in", both.start_ms, both.start_ms + both.talked_on_ms, "agent", what, why,
                (*before, both.utterance),
            )  # fmt: skip


def _defects(call: CallHeard) -> Iterator[_Found]:
    for defect in call.defects:
        weight = DEFECT_S.get(defect.kind, 0.5) + min(defect.duration_ms, 2_000) / 1e3
        what = f"{defect.kind.replace('_', ' ')}, {show(defect.duration_ms, 'ms')}"
        before = [turn.utterance for turn in call.turns if turn.start_ms < defect.start_ms]
        yield _Found(
            weight, "defect", defect.start_ms, defect.start_ms + defect.duration_ms, "agent", what, defect.detail,
            tuple(before[-1:]),
        )  # fmt: skip


def _silences(call: CallHeard) -> Iterator[_Found]:
    if call.reading != "one_mix":
        return
    for one, following in zip(call.agent_speaks, call.agent_speaks[1:], strict=False):
        length_ms = following.start_ms - one.end_ms
        if length_ms >= SILENCE_MS:
            what = f"{show(length_ms, 'ms')} of silence"
            yield _Found(
                length_ms / 1e3, "silence", one.end_ms, following.start_ms, "agent", what,
                "whose turn it is cannot be told", (),
            )  # fmt: skip
