"""When the agent answered: user's true end of turn → first audible sample, talk-over, barge-in → silence.

Everything here is arithmetic on positions of one pair of recordings that share sample 0 (mic and ear, or post_user and
post_rtc), in samples at 48 kHz. A turn is answered by the first onset after its true end and before the next turn's
end; onsets inside the turn are talk-over and never hidden. Definitions: H-87 to H-89, spec/metrics.md (e).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.listen.place.replies import SAMPLES_PER_MS, HeardReply


@dataclass(frozen=True)
class UserTurn:
    """One utterance to which a reply is due: [start, end) as recorded."""

    utterance: int
    start: float
    end: float
    error_ms: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to a user's turn. `talk_over`: onsets inside the turn; `raw_ms` is negative where none follows."""

    turn: UserTurn
    reply: HeardReply | None
    talk_over: tuple[HeardReply, ...]
    after: tuple[HeardReply, ...] = ()  # replies that began after the turn and before the next's end

    @property
    def raw_ms(self) -> float | None:
        return None if self.reply is None else (self.reply.first_word - self.turn.end) / SAMPLES_PER_MS

    @property
    def first_sound_ms(self) -> float | None:
        """The same to the first sound, word or not."""
        if self.reply is None:
            return None
        first = min((h.start for h in self.after), default=self.reply.start)
        return (min(first, self.reply.start) - self.turn.end) / SAMPLES_PER_MS

    @property
    def talk_over_ms(self) -> float | None:
        """How long before the true end of the turn the agent began."""
        return (self.turn.end - self.talk_over[0].start) / SAMPLES_PER_MS if self.talk_over else None


def pair_answers(turns: Sequence[UserTurn], heard: Sequence[HeardReply]) -> list[Answer]:
    """One Answer a turn, in order."""
    answers: list[Answer] = []
    for turn, following in zip(turns, [*turns[1:], None], strict=False):
        until = float("inf") if following is None else following.end
        inside = tuple(h for h in heard if turn.start < h.start < turn.end)
        after = tuple(h for h in heard if turn.end <= h.start < until)
        reply = next((h for h in after if h.speaks), after[0] if after else None)
        if reply is None and inside and not _answers_another(inside[-1], answers):
            reply = inside[-1]  # it spoke into the turn and had nothing more to say after it
        answers.append(Answer(turn, reply, inside, after))
    return answers


def _answers_another(heard: HeardReply, answers: Sequence[Answer]) -> bool:
    return any(answer.reply is heard for answer in answers)


def onsets_in_user_turns(answers: Sequence[Answer]) -> int:
    return len({id(h) for answer in answers for h in answer.talk_over})


def unexpected_onsets(turns: Sequence[UserTurn], heard: Sequence[HeardReply], expect_reply: bool) -> int:
    """Sounds nobody asked for: any at all where no reply is due, else those before the user first spoke."""
    if not expect_reply or not turns:
        return len(heard)
    return sum(h.start < turns[0].start for h in heard)


def interrupted_by(turn: UserTurn, heard: Sequence[HeardReply]) -> HeardReply | None:
    """The reply that was sounding when the user began this turn."""
    return next((h for h in reversed(heard) if h.start < turn.start < h.end), None)


def silence_after_barge_in_ms(turn: UserTurn, reply: HeardReply) -> float:
    """User's first voiced sample → last audible sample of the reply it interrupts."""
    return (reply.end - turn.start) / SAMPLES_PER_MS
