"""The turns of a call: which reply answers which utterance, and where each is heard.

Each utterance to which a reply is due gives an entry (also where none came), then each further reply: one that spoke
into the user's turn, or one nobody asked for. A turn's `reply_seq` is the agent's, else the first number that is free.
For an agent that announces no replies, all its speech between two turns of the user is one reply (it may wait for a
tool in between), and all its speech before the user's first word is its greeting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from harness.listen.place.replies import AnnouncedReply, HeardReply
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.timing import Answer
from harness.listen.read.reading import StatsLine
from harness.model.events import ReplyCause


@dataclass(frozen=True, eq=False)
class TurnHeard:
    """One turn with all that was found of it. `utterance`: None for a reply that answers no finished turn.

    `too_early`: listeners that were not there yet, or could not hear yet, when this reply was said.
    """

    reply_seq: int
    utterance: int | None
    announced: AnnouncedReply | None
    heard: dict[str, HeardReply] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    too_early: frozenset[str] = frozenset()

    @property
    def is_answer(self) -> bool:
        return self.utterance is not None


def list_turns(scene: Scene) -> list[TurnHeard]:
    """In order: the user's turns, then the other replies by time."""
    return _told_turns(scene) if scene.tells else _untold_turns(scene)


def _told_turns(scene: Scene) -> list[TurnHeard]:
    announced = {reply.seq: reply for reply in scene.announced}
    due = due_utterances(scene)
    answered = {utterance: _answers_to(scene, utterance) for utterance in due}
    seqs = {utterance: _seq(answers, scene.primary) for utterance, answers in answered.items()}
    heard_seqs = {h.seq for replies in scene.heard.values() for h in replies if h.seq is not None}
    unheard = (
        s for s in announced if s not in heard_seqs and announced[s].pre is not None and announced[s].cause != CUT
    )
    free = _free_numbers(set(announced) | heard_seqs)
    turns = []
    for utterance in due:
        seq = seqs[utterance]
        silent = all(answer.reply is None for answer in answered[utterance].values())
        if seq is None and silent:  # the agent announced a reply that nobody heard
            seq = next(unheard, None)
        if seq is None:
            seq = next(free)
        turns.append(_turn(scene, seq, utterance, announced.get(seq), answered[utterance]))
    known = {id(h) for turn in turns for h in turn.heard.values()}
    taken = {turn.reply_seq for turn in turns}
    for heard in scene.heard.get(scene.primary, []):
        if id(heard) in known or (heard.seq is not None and heard.seq in taken):
            continue
        if heard.seq is None and announced:
            continue  # the agent announces its replies but not this sound: it is counted, but is no reply
        seq = heard.seq if heard.seq is not None else next(free)
        turns.append(_extra(scene, seq, heard, announced.get(seq)))
    return turns


CUT = ReplyCause.INTERRUPTED
LONE_MS = 300.0  # a shorter sound at one listener alone is no reply


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


def _turn(
    scene: Scene, seq: int, utterance: int, announced: AnnouncedReply | None, answers: dict[str, Answer]
) -> TurnHeard:
    heard: dict[str, HeardReply] = {}
    for ring, replies in scene.heard.items():
        answer = answers.get(ring)
        by_seq = next((h for h in replies if h.seq == seq), None)
        reply = by_seq or (answer.reply if answer is not None else None)
        if reply is not None:
            heard[ring] = reply
    return TurnHeard(seq, utterance, announced, heard, answers)


def _extra(scene: Scene, seq: int, reply: HeardReply, announced: AnnouncedReply | None) -> TurnHeard:
    heard = {scene.primary: reply}
    for ring, replies in scene.heard.items():
        match = next((h for h in replies if h.seq is not None and h.seq == reply.seq), None)
        if match is not None:
            heard[ring] = match
    return TurnHeard(seq, None, announced, heard, {})


def _untold_turns(scene: Scene) -> list[TurnHeard]:
    heard = scene.heard.get(scene.primary, [])
    answers = {utterance: _answers_to(scene, utterance) for utterance in due_utterances(scene)}
    numbers = count()
    turns, known = [], set[int]()
    for utterance, found in answers.items():
        parts = _parts_of(scene, found.get(scene.primary), known)
        known |= {id(part) for part in parts}
        turns.append(TurnHeard(next(numbers), utterance, None, _at_all(scene, parts, found), found))
    rest = [h for h in heard if id(h) not in known]
    greeting = [h for h in rest if is_greeting(scene, h)]
    others = [greeting] if greeting else []
    others += [[h] for h in rest if h not in greeting]
    for parts in others:
        spoken = _at_all(scene, parts, {})
        turns.append(TurnHeard(next(numbers), None, None, spoken, {}, _too_early(scene, parts, spoken)))
    answered = {id(answer.reply) for found in answers.values() for answer in found.values()}
    for name in scene.heard.keys() - {scene.primary}:
        lone = [h for h in scene.heard[name] if _only_there(scene, name, h) and id(h) not in answered]
        turns += [TurnHeard(next(numbers), None, None, {name: h}) for h in lone]
    return turns


def is_greeting(scene: Scene, heard: HeardReply) -> bool:
    """Whether it began before the user's first word, at the user's listener."""
    first = scene.first_speech(PAIRS[scene.primary])
    return first is not None and heard.start < first


def greets(scene: Scene, heard: HeardReply) -> bool:
    """Whether it is (a part of) the greeting, also in a call in which nobody speaks to the agent."""
    return is_greeting(scene, heard) or _noted_as_greeting(scene, heard)


def _noted_as_greeting(scene: Scene, heard: HeardReply) -> bool:
    """The live half took this for a greeting during the call; that counts where nobody spoke to the agent at all."""
    if scene.first_speech(PAIRS[scene.primary]) is not None:
        return False
    for happening in scene.capture.manifest.happenings:
        if happening.kind == "greeting" and happening.t_mono_ms is not None:
            first_ms, last_ms = (scene.clocks.mono_ms(scene.primary, at) for at in (heard.start, heard.end))
            until_ms = happening.t_mono_ms + (happening.duration_ms or 0.0)
            if first_ms is not None and last_ms is not None and first_ms < until_ms and last_ms > happening.t_mono_ms:
                return True
    return False


def _parts_of(scene: Scene, answer: Answer | None, known: set[int]) -> list[HeardReply]:
    """All that answers a turn: from the first sound after it to the user's next turn."""
    if answer is None or answer.reply is None:
        return []
    return [h for h in (until_next_turn(scene, answer) or [answer.reply]) if id(h) not in known]


def until_next_turn(scene: Scene, answer: Answer) -> list[HeardReply]:
    """What the agent says from the end of a turn on, until the user speaks again."""
    turns = scene.turns(PAIRS[scene.primary])
    until = min((turn.start for turn in turns if turn.start > answer.turn.start), default=float("inf"))
    return [h for h in answer.after if h.start < until or h is answer.reply]


def _at_all(scene: Scene, parts: list[HeardReply], answers: dict[str, Answer]) -> dict[str, HeardReply]:
    """The reply of `parts` at every listener; without `parts`, the answer at each other listener."""
    spoken: dict[str, HeardReply] = {}
    for name, replies in scene.heard.items():
        if name == scene.primary:
            found = parts
        elif parts:
            found = [twin for part in parts for twin in replies if twin.twin is part]
        else:
            answer = answers.get(name)
            found = [answer.reply] if answer is not None and answer.reply is not None else []
        if found:
            spoken[name] = _as_one(found)
    return spoken


def _as_one(parts: list[HeardReply]) -> HeardReply:
    if len(parts) == 1:
        return parts[0]
    return HeardReply(None, parts[0].start, max(part.end for part in parts), parts=tuple(parts))


def _too_early(scene: Scene, parts: list[HeardReply], spoken: dict[str, HeardReply]) -> frozenset[str]:
    ends_ms = scene.clocks.mono_ms(scene.primary, parts[-1].end)
    if ends_ms is None:
        return frozenset()
    begins = {name: heard_since_ms(scene, name) for name in scene.heard.keys() - spoken.keys()}
    return frozenset(name for name, begin in begins.items() if begin is not None and ends_ms < begin)


def _only_there(scene: Scene, name: str, heard: HeardReply) -> bool:
    """Enough sound to be a reply, which the user's own listener could hear but lacks."""
    if heard.twin is not None or heard.duration_ms < LONE_MS:
        return False
    starts_ms, since_ms = scene.clocks.mono_ms(name, heard.start), heard_since_ms(scene, scene.primary)
    return starts_ms is not None and since_ms is not None and starts_ms > since_ms


def heard_since_ms(scene: Scene, name: str) -> float | None:
    """Since when this listener is known to have received the agent's sound, on the host's clock; None if nothing says."""
    if name == "post_rtc":
        arrivals = scene.capture.arrivals
        return float(arrivals[0, 0]) if arrivals is not None and len(arrivals) else None
    return next((line.t_mono_ms for line in scene.capture.stats if _receives_sound(line)), None)


def _receives_sound(line: StatsLine) -> bool:
    return any(
        report.get("type") == "inbound-rtp" and report.get("kind") == "audio" and report.get("packetsReceived")
        for report in line.reports
    )
