"""The turns of a call: which reply answers which utterance, and where each is heard.

One entry an utterance to which a reply is due (also where none came), then one for every further reply: one that spoke
into the user's turn, or one nobody asked for. A turn's `reply_seq` is the agent's, else the first number that is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from harness.listen.replies import HeardReply, ToldReply
from harness.listen.scene import PAIRS, Scene
from harness.listen.timing import Answer
from harness.model.events import ReplyCause


@dataclass(frozen=True, eq=False)
class TurnHeard:
    """One turn with all that was found of it. `utterance`: None for a reply that answers no finished turn."""

    reply_seq: int
    utterance: int | None
    told: ToldReply | None
    heard: dict[str, HeardReply] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def is_answer(self) -> bool:
        return self.utterance is not None


def list_turns(scene: Scene) -> list[TurnHeard]:
    """In order: the user's turns, then the other replies by time."""
    told = {reply.seq: reply for reply in scene.told}
    due = due_utterances(scene)
    answered = {utterance: _answers_to(scene, utterance) for utterance in due}
    seqs = {utterance: _seq(answers, scene.primary) for utterance, answers in answered.items()}
    heard_seqs = {h.seq for replies in scene.heard.values() for h in replies if h.seq is not None}
    unheard = (s for s in told if s not in heard_seqs and told[s].pre is not None and told[s].cause != CUT)
    free = _free_numbers(set(told) | heard_seqs)
    turns = []
    for utterance in due:
        seq = seqs[utterance]
        silent = all(answer.reply is None for answer in answered[utterance].values())
        if seq is None and silent:  # the agent says that it replied, nobody heard it
            seq = next(unheard, None)
        if seq is None:
            seq = next(free)
        turns.append(_turn(scene, seq, utterance, told.get(seq), answered[utterance]))
    known = {id(h) for turn in turns for h in turn.heard.values()}
    taken = {turn.reply_seq for turn in turns}
    for heard in scene.heard.get(scene.primary, []):
        if id(heard) in known or (heard.seq is not None and heard.seq in taken):
            continue
        if heard.seq is None and told:
            continue  # an agent that tells its replies told nothing of this sound: it is counted, but is no reply
        seq = heard.seq if heard.seq is not None else next(free)
        turns.append(_extra(scene, seq, heard, told.get(seq)))
    return turns


CUT = ReplyCause.INTERRUPTED


def due_utterances(scene: Scene) -> list[int]:
    """The utterances to which a reply is due."""
    truth = scene.capture.truth
    if truth is None or not scene.expect_reply:
        return []
    return [index for index, utterance in enumerate(truth.utterances) if utterance.is_turn]


def _answers_to(scene: Scene, utterance: int) -> dict[str, Answer]:
    return {ring: answers[utterance] for ring, answers in scene.answers.items() if utterance in answers}


def _seq(answers: dict[str, Answer], primary: str) -> int | None:
    """The agent's number of the reply; a sound that no reply explains may come ahead of it."""
    for ring in (primary, *PAIRS):
        answer = answers.get(ring)
        if answer is None or answer.reply is None:
            continue
        seq = next((h.seq for h in (answer.reply, *answer.after) if h.seq is not None), None)
        if seq is not None:
            return seq
    return None


def _free_numbers(taken: set[int]) -> Iterator[int]:
    return (number for number in count() if number not in taken)


def _turn(scene: Scene, seq: int, utterance: int, told: ToldReply | None, answers: dict[str, Answer]) -> TurnHeard:
    heard: dict[str, HeardReply] = {}
    for ring, replies in scene.heard.items():
        answer = answers.get(ring)
        by_seq = next((h for h in replies if h.seq == seq), None)
        reply = by_seq or (answer.reply if answer is not None else None)
        if reply is not None:
            heard[ring] = reply
    return TurnHeard(seq, utterance, told, heard, answers)


def _extra(scene: Scene, seq: int, reply: HeardReply, told: ToldReply | None) -> TurnHeard:
    heard = {scene.primary: reply}
    for ring, replies in scene.heard.items():
        match = next((h for h in replies if h.seq is not None and h.seq == reply.seq), None)
        if match is not None:
            heard[ring] = match
    return TurnHeard(seq, None, told, heard, {})
