"""What a listener understands of a reply: the agent's text against what a recogniser heard, as published and where it arrives.

`reply_wer_pre`, `reply_wer` (second listener) and `reply_wer_ear`: (substituted + dropped + added words) / words of the agent's
text. A robotic voice is understood badly everywhere, so they are information. `words_lost_count…` compares: words that were
understood as published and are not at the user's own listener. What was recognised stands in the capture (heard_words.json).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.listen.metrics.words import WRONG_SHOWN, TurnWords, expected_of_turn, is_first_sound, turn_starts_ms
from harness.listen.place.replies import HeardReply
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.turns import TurnHeard, until_next_turn
from harness.listen.read.records import no_number, not_applicable, number
from harness.listen.words.compare import word_errors
from harness.listen.words.lost import lost_words
from harness.model.capture import HEARD_WORDS
from harness.model.events import ReplyCause
from harness.model.heard_words import AgentRecording, HeardWords, UnderstoodSound
from harness.model.measurement import Metric
from harness.model.phrases import words_in

PRE: AgentRecording = "pre_rtc"
SUFFIX = {"pre_rtc": "_pre", "post_rtc": "", "ear": "_ear"}
NOT_RUN = f"{HEARD_WORDS} is missing: no recogniser heard this call (pip install 'earwitness[asr]', earwitness setup)"
NO_TEXT = "the agent published no words of its own speech, against which to hold what is understood"
INTERRUPTED = "the user interrupted it: what was published and what is heard end at different words"
FOREIGN = 0.34  # of the letters; a name or two in another script do no harm
UNDERSTOOD_WER = 0.34  # above it the recogniser does not understand this voice: nothing can be said of the way


@dataclass(frozen=True)
class Stretch:
    """[start, end) of a recording, in samples: one reply of the agent."""

    recording: AgentRecording
    start: int
    end: int


@dataclass(frozen=True)
class TurnSound:
    """A turn's replies in each recording of the agent, in order. `cut`: the user spoke into one."""

    stretches: dict[AgentRecording, tuple[Stretch, ...]]
    cut: bool


def turn_sound(scene: Scene, turn: TurnHeard) -> TurnSound | None:
    """What the agent says until the user speaks again, or ahead of the first word; None for a reply that belongs to another turn.

    Its published text is divided between the turns in the same way.
    """
    replies = _replies_of(scene, turn)
    if replies is None:
        return None
    seqs = [reply.seq for reply in replies if reply.seq is not None]
    if turn.announced is not None and turn.announced.seq not in seqs:
        seqs.append(turn.announced.seq)
    announced = {reply.seq: reply for reply in scene.announced}
    stretches: dict[AgentRecording, tuple[Stretch, ...]] = {_ring(scene.primary): _stretches(scene.primary, replies)}
    for name in scene.heard.keys() - {scene.primary}:
        there = [h for h in scene.heard[name] if h.seq in seqs or any(h.twin is reply for reply in replies)]
        stretches[_ring(name)] = _stretches(name, there)
    if PRE in scene.rings:
        pres = [announced[seq].pre for seq in sorted(seqs) if seq in announced]
        stretches[PRE] = tuple(Stretch(PRE, pre.start, pre.end) for pre in pres if pre is not None)
    causes = [announced[seq].cause for seq in seqs if seq in announced]
    cut = ReplyCause.INTERRUPTED in causes or any(_spoken_into(scene, reply) for reply in replies)
    return TurnSound(stretches, cut)


def _replies_of(scene: Scene, turn: TurnHeard) -> list[HeardReply] | None:
    """At the user's own listener."""
    answer, heard = turn.answers.get(scene.primary), turn.heard.get(scene.primary)
    if turn.utterance is not None:
        following = until_next_turn(scene, answer) if answer is not None else []
        return following or _parts([answer.reply if answer is not None else None, heard])
    starts = turn_starts_ms(scene)
    if starts is None or not is_first_sound(scene, turn, starts):
        return None
    first = min(user.start for user in scene.turns(PAIRS[scene.primary]))
    return [reply for reply in scene.heard[scene.primary] if reply.start < first]


def _parts(found: Iterable[HeardReply | None]) -> list[HeardReply]:
    reply = next((reply for reply in found if reply is not None), None)
    if reply is None:
        return []
    return list(reply.parts) or [reply]


def _spoken_into(scene: Scene, reply: HeardReply) -> bool:
    return any(reply.start < user.start < reply.end for user in scene.turns(PAIRS[scene.primary]))


def _ring(name: str) -> AgentRecording:
    return "ear" if name == "ear" else "post_rtc"


def _stretches(name: str, replies: Sequence[HeardReply]) -> tuple[Stretch, ...]:
    parts = [part for reply in replies for part in (reply.parts or (reply,))]
    return tuple(Stretch(_ring(name), part.start, part.end) for part in sorted(parts, key=lambda part: part.start))


@dataclass(frozen=True)
class Understood:
    """A turn's texts by recording, or why there are none; `own`: the agent's text."""

    own: str
    texts: dict[AgentRecording, str]
    why_not: str = ""
    excluded: bool = False
    also: dict[AgentRecording, tuple[str, ...]] = field(default_factory=dict)  # heard again, altered a little

    def all_of(self, recording: AgentRecording) -> tuple[str, ...]:
        return (self.texts[recording], *self.also.get(recording, ()))

    def lost_at(self, recording: AgentRecording) -> tuple[str, ...]:
        """The words that were understood as published, and not there."""
        return lost_words(self.own, self.all_of(PRE), self.all_of(recording))

    def none(self, unit: str, reason: str = "") -> Metric:
        why = self.why_not or reason
        return not_applicable(unit, why) if self.excluded else no_number(unit, why)


def understood(sound: TurnSound | None, words: TurnWords | None, record: HeardWords | None) -> Understood:
    """`record`: of the capture; None if no recogniser ran."""
    own = words.said if words is not None else ""
    if record is None:
        return Understood(own, {}, NOT_RUN)
    if record.skipped:
        return Understood(own, {}, record.skipped, record.excluded)
    if record.language == "en" and _other_script(own):
        why = f"the agent's text is in another script, and {record.model} was told that it speaks English (--asr-language)"
        return Understood(own, {}, why, excluded=True)
    if sound is None:
        return Understood(own, {}, "this reply belongs to another turn")
    if not any(sound.stretches.values()):
        return Understood(own, {}, "no reply is heard")
    texts: dict[AgentRecording, str] = {}
    also: dict[AgentRecording, tuple[str, ...]] = {}
    for recording, stretches in sound.stretches.items():
        found = [_sound_of(stretch, record.sounds) for stretch in stretches]
        known = [one for one in found if one is not None]
        if len(known) == len(found) and (found or recording != "post_rtc"):
            texts[recording] = _in_one(one.text for one in known)
            times = min((len(one.also) for one in known), default=0)
            also[recording] = tuple(_in_one(one.also[k] for one in known) for k in range(times))
    return Understood(own, texts, also=also)


def _in_one(texts: Iterable[str]) -> str:
    return " ".join(filter(None, texts))


def _sound_of(stretch: Stretch, sounds: Sequence[UnderstoodSound]) -> UnderstoodSound | None:
    """What was understood of the stretch: the sound that covers most of it, and at least half."""

    def common(sound: UnderstoodSound) -> int:
        return min(stretch.end, sound.end) - max(stretch.start, sound.start)

    beside = [sound for sound in sounds if sound.recording == stretch.recording]
    best = max(beside, key=common, default=None)
    return best if best is not None and 2 * common(best) >= stretch.end - stretch.start else None


def _other_script(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return sum(character > "\u024f" for character in letters) > FOREIGN * len(letters)


def reply_word_metrics(scene: Scene, turn: TurnHeard, sound: TurnSound | None, found: Understood) -> dict[str, Metric]:
    """Empty where nothing was recognised and the case asks for nothing."""
    expected = expected_of_turn(scene, turn)
    asked = expected is not None and expected.reply_wer_max is not None
    here = _ring(scene.primary)
    if sound is None or (not asked and not found.texts):
        return {}
    metrics = {
        f"reply_wer{SUFFIX[recording]}": _reply_wer(recording, sound, found)
        for recording in (PRE, here)
        if recording in found.texts or (asked and recording == here)
    }
    if PRE in found.texts and here in found.texts:
        metrics[f"words_lost_count{SUFFIX[here]}"] = _words_lost(here, sound, found)
    return metrics


def _reply_wer(recording: AgentRecording, sound: TurnSound, found: Understood) -> Metric:
    if recording not in found.texts:
        return found.none("ratio", f"no reply was recognised in {recording}.wav")
    if not found.own:
        return found.none("ratio", NO_TEXT)
    if sound.cut:
        return no_number("ratio", INTERRUPTED)
    errors = word_errors(found.own, found.texts[recording])
    if errors is None:
        return no_number("ratio", f"nothing in {found.own!r} counts as a word")
    blame = f" ({_born(recording, found)})" if errors.wrong else ""
    return number(errors.rate, "ratio", reason=f"{found.texts[recording]!r}{_listed(errors.wrong)}{blame}")


def _born(recording: AgentRecording, found: Understood) -> str:
    """Where words became other than the agent's text: before RTC wherever pre_rtc.wav is misunderstood too."""
    if recording == PRE:
        return "before RTC: it was published so, or the recogniser does not understand this voice"
    if PRE not in found.texts:
        return "without pre_rtc.wav it cannot be told where"
    lost = found.lost_at(recording)
    if lost:
        return f"on the way: {_quoted(lost)} understood in pre_rtc.wav"
    if words_in(found.texts[recording]) == words_in(found.texts[PRE]):
        return "before RTC: pre_rtc.wav is understood in the same way"
    return f"no word is surely lost on the way: pre_rtc.wav is understood as {found.texts[PRE]!r}"


def _words_lost(here: AgentRecording, sound: TurnSound, found: Understood) -> Metric:
    """The words that pre_rtc.wav has and the user's own listener has not, with where they were lost."""
    if sound.cut:
        return no_number("count", INTERRUPTED)
    published, heard = found.texts[PRE], found.texts[here]
    before = word_errors(found.own, published) if found.own else None
    if before is not None and before.rate > UNDERSTOOD_WER:
        said = f"{before.rate:.0%} of the agent's text is misunderstood as published ({published!r})"
        return no_number("count", f"{said}: the recogniser does not understand this voice, or its language")
    lost = found.lost_at(here)
    if not lost:
        return number(0, "count")
    return number(
        len(lost), "count", reason=f"{_quoted(lost)}: {_lost_where(here, lost, found)}; understood: {heard!r}"
    )


def _lost_where(here: AgentRecording, lost: Sequence[str], found: Understood) -> str:
    if here == "post_rtc":
        return "lost in RTC (understood in pre_rtc.wav)"
    if "post_rtc" not in found.texts:
        return "lost on the way (understood in pre_rtc.wav; there is no second listener to tell RTC from the ear)"
    there = found.lost_at("post_rtc")
    if all(word in there for word in lost):
        return "lost in RTC (the second listener lacks it too)"
    if any(word in there for word in lost):
        return "lost in RTC in part (the second listener lacks some of it too), and at the ear"
    return "lost at the ear (the second listener understood it)"


def _quoted(words: Sequence[str]) -> str:
    more = f" and {len(words) - WRONG_SHOWN} more" if len(words) > WRONG_SHOWN else ""
    return ", ".join(repr(word) for word in words[:WRONG_SHOWN]) + more


def _listed(wrong: Sequence[str]) -> str:
    return f": {'; '.join(wrong[:WRONG_SHOWN])}" if wrong else ""


def heard_text(scene: Scene, found: Understood) -> str | None:
    """What was understood at the user's own listener; None where it was not recognised."""
    return found.texts.get(_ring(scene.primary))


def shown_texts(found: Understood) -> dict[str, str]:
    return {str(recording): text for recording, text in sorted(found.texts.items())}
