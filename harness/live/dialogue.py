"""A conversation whose words hang on what the agent says: a dialogue's course is driven, and its lines are spoken in the call.

Each line becomes an utterance like any other, with its truth to the sample, and is played by the same source. What the agent
says is its own text, as it publishes it while it speaks. Times are ms of the user's audio; a silence is what the user hears.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bots.probe_bot import SeenEvent, mono_ms
from harness.errors import AttemptError
from harness.live.audio_wait import wait_on_audio
from harness.live.conversation import FALLEN_SILENT_MS, PLAYBACK_GRACE_S, SAMPLES_PER_MS, Conversation, Stage
from harness.live.said_so_far import Hang, SaidSoFar
from harness.model.course import Ask, GaveUpError, Heard, Say, Wait, course_of, holds, in_words
from harness.model.dialogue import AgentSilent, Condition, Dialogue, DialogueRecord, ToolReturned
from harness.model.events import EventType
from harness.model.pattern import PatternTooSlowError
from harness.model.status import CaptureStatus
from harness.model.transcript import TranscriptLine, words_of
from harness.speech.spoken_lines import SpokenLine

WORDS_GRACE_MS = 1_000.0  # the text of a reply may come later than its last sound
QUOTED = 300  # characters of what the agent said, in an error

Did = Literal["said", "waited", "asked", "gave_up"]


@dataclass(kw_only=True)
class DialogueCall(Conversation):
    """`truth` and `said` grow with each line. `lines`: by their text. `record`: each step as it went."""

    dialogue: Dialogue
    lines: Mapping[str, SpokenLine]
    record: list[DialogueRecord] = field(default_factory=list)
    _since_ms: float = 0.0  # when the user's last line began, host's clock
    _text: tuple[tuple[int, float], str, bool] | None = None  # of these changes since then; whether it is complete
    _begin: int = 0  # the sample from which on the user might speak
    _over_at: int = 0  # the sample from which no further step begins

    def __post_init__(self) -> None:
        super().__post_init__()
        self._so_far = SaidSoFar.nothing(self.truth)
        self.truth, self.said = self._so_far.truth, self._so_far.samples

    async def _talk(self) -> None:
        self._begin = self.user.hearing.now
        self._over_at = self._begin + int(self.dialogue.give_up_after_ms * SAMPLES_PER_MS)
        course, answer = course_of(self.dialogue), None
        try:
            while True:
                move = course.send(answer)
                if self.user.hearing.now >= self._over_at:
                    raise self._too_long(move.step)
                answer = await self._make(move)
        except StopIteration:
            return
        except GaveUpError as error:
            self._keep(error.step, "gave_up", str(error), mono_ms(), self._heard().text)
            raise AttemptError(CaptureStatus.DIALOGUE_GAVE_UP, self._why(error)) from error

    def _holds(self, condition: Condition, step: str) -> bool:
        try:
            return holds(condition, self._heard())
        except PatternTooSlowError as error:
            raise AttemptError(CaptureStatus.DIALOGUE_UNTOLD, f"dialogue.{step}: {error}") from error

    async def _make(self, move: Say | Wait | Ask) -> bool | None:
        if isinstance(move, Say):
            await self._say(move)
            return None
        came = await (self._wait(move) if isinstance(move, Wait) else self._ask(move))
        did: Did = "waited" if isinstance(move, Wait) else "asked"
        self._keep(move.step, did, in_words(move.condition), mono_ms(), self._heard().text, held=came)
        untold = self._untold(move.condition) if not came else None
        if untold is not None:
            raise AttemptError(CaptureStatus.DIALOGUE_UNTOLD, f"dialogue.{move.step}: {untold}")
        return came

    def _keep(self, step: str, did: Did, text: str, t_ms: float, heard: str, **more: Any) -> None:
        self.record.append(DialogueRecord(step=step, did=did, text=text, heard=heard, t_mono_ms=round(t_ms, 1), **more))

    # speaking

    async def _say(self, move: Say) -> None:
        before = self._so_far.truth, self._so_far.samples
        segment = self._so_far.add(self.lines[move.text], self._hang(move))
        self.truth, self.said = self._so_far.truth, self._so_far.samples
        heard = self._heard().text
        try:
            await self._speak(segment)
        except BaseException:
            if segment.utterances[0][0] not in self._starts:  # the call broke before it was said
                self.truth, self.said = before
            raise
        self._keep(move.step, "said", move.text, self._since_ms, heard)

    def _hang(self, move: Say) -> Hang | None:
        """None: the line is said now. An agent that speaks just then is let finish all the same."""
        if move.interrupt_after_ms is not None and self._ends:
            return Hang("reply_start", move.interrupt_after_ms)
        due = bool(self._ends) and not move.at_once
        speaks = self.user.hearing.last_sound is not None and self.user.hearing.quiet_ms() < FALLEN_SILENT_MS
        return Hang("reply_end", move.after_ms) if due or speaks else None

    async def _started(self, start: int) -> None:
        """The agent's words count from the line's first sample on."""
        self._since_ms = mono_ms() + (start - await self.user.now_sample()) / SAMPLES_PER_MS

    # listening

    async def _wait(self, move: Wait) -> bool:
        hearing = self.user.hearing
        begin = hearing.now
        limit = min(begin + int(move.limit_ms * SAMPLES_PER_MS), self._over_at)

        def done() -> bool:
            if hearing.onsets and hearing.onsets[-1] >= self._last_word:
                self.stage = Stage.REPLY
            return self._holds(move.condition, move.step) or hearing.now >= limit

        limit_s = max(0, limit - begin) / SAMPLES_PER_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, done, limit_s=limit_s, what=in_words(move.condition))
        came = self._holds(move.condition, move.step)
        if not came and hearing.now >= self._over_at:
            raise self._too_long(move.step)
        return came

    async def _ask(self, move: Ask) -> bool:
        if self._ends and not move.at_once:
            after = self._last_word
            await self._onset_after(after)
            self.stage = Stage.REPLY
            await self._reply_end(after)
        if not isinstance(move.condition, ToolReturned):
            await self._words_of_reply(move)
        return self._holds(move.condition, move.step)

    async def _words_of_reply(self, move: Ask) -> None:
        """Wait until the text of what was heard is there."""
        hearing = self.user.hearing
        limit = hearing.now + int(WORDS_GRACE_MS * SAMPLES_PER_MS)

        def done() -> bool:
            heard = self._heard()
            complete = self._text is not None and self._text[2]
            return (bool(heard.text) and complete) or self._holds(move.condition, move.step) or hearing.now >= limit

        limit_s = WORDS_GRACE_MS / 1e3 + PLAYBACK_GRACE_S
        await wait_on_audio(self.user, done, limit_s=limit_s, what="the text of the agent's reply")

    @property
    def _last_word(self) -> int:
        return max(self._ends.values(), default=self._begin)

    def _heard(self) -> Heard:
        assert self.probe is not None, "a plan with a dialogue has a room"
        texts = self.probe.transcripts
        changes = (texts.changes, self._since_ms)
        if self._text is None or self._text[0] != changes:
            self._text = (changes, *text_since(texts.so_far(), self._since_ms))
        hearing = self.user.hearing
        since_word_ms = (hearing.now - self._last_word) / SAMPLES_PER_MS
        return Heard(
            text=self._text[1],
            tools=tools_since(self.probe.seen, self._since_ms),
            silent_ms=min(hearing.quiet_ms(), since_word_ms),
        )

    def _untold(self, condition: Condition) -> str | None:
        """Why nobody can tell whether it came: the agent speaks, and does not tell of such things."""
        assert self.probe is not None
        hearing = self.user.hearing
        if isinstance(condition, AgentSilent) or hearing.last_sound is None or hearing.quiet_ms() < WORDS_GRACE_MS:
            return None
        if isinstance(condition, ToolReturned):
            tells = tells_of_tools(self.probe.seen)
            what = "tool calls"
        else:
            tells = any(line.speaker == "agent" for line in self.probe.transcripts.so_far())
            what = "words of its own speech"
        if tells:
            return None
        return f"{in_words(condition)} cannot be known of: the agent spoke, and published no {what} in the whole call"

    # giving up

    def _too_long(self, step: str) -> GaveUpError:
        return GaveUpError(step, f"the dialogue was not over after {self.dialogue.give_up_after_ms / 1e3:g} s")

    def _why(self, error: GaveUpError) -> str:
        text = self._heard().text
        said = f"it said {text[:QUOTED]!r}" if text else "it published no words of its own speech"
        return f"dialogue.{error.step}: {error}; since the user's last line {said}"


def text_since(lines: list[TranscriptLine], since_ms: float) -> tuple[str, bool]:
    """The agent's own text of what it began to say after `since_ms`, and whether none of it still grows."""
    own = [line for line in lines if line.speaker == "agent"]
    words = [words for words in words_of(own) if words.t_first_mono_ms >= since_ms]
    whole = all(line.complete for line in own if line.t_first_mono_ms >= since_ms)
    streamed = any(line.way == "stream" for line in own)  # an event comes anew with each wording
    return " ".join(one.text for one in words), whole and (streamed or all(one.final for one in words))


def tools_since(seen: list[SeenEvent], since_ms: float) -> frozenset[str]:
    """The tools of which a call has succeeded since then."""
    names = {
        item.event.data.get("id"): item.event.data.get("name")
        for item in seen
        if item.event.type == EventType.TOOL_START
    }
    ended = [item for item in seen if item.event.type == EventType.TOOL_END and item.t_mono_ms >= since_ms]
    return frozenset(
        str(names[item.event.data.get("id")])
        for item in ended
        if item.event.data.get("id") in names and not item.event.data.get("error")
    )


def tells_of_tools(seen: list[SeenEvent]) -> bool:
    """Whether the agent has told of a tool, or said at the beginning that it will: as `harness.listen.metrics.tools` has it."""
    return any(
        item.event.type == EventType.TOOL_START
        or (item.event.type == EventType.TRACE_ACK and item.event.data.get("tools") is True)
        for item in seen
    )
