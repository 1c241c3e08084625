"""How a dialogue goes on from what was heard: a pure step machine, asked for one move after the other.

A course is a generator of moves. It is sent True or False for a `Wait` (it came) and for an `Ask` (it holds), None for a
`Say`. Whoever drives it speaks and listens. It raises GaveUpError where the case says that a caller would.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from harness.model.dialogue import (
    AgentAsks,
    AgentSays,
    AgentSilent,
    Choice,
    Condition,
    Dialogue,
    Repeat,
    SayLine,
    Step,
    ToolReturned,
    WaitFor,
)
from harness.model.phrases import is_said
from harness.model.sentences import QUESTION_MARKS, sentences_in


@dataclass(frozen=True)
class Heard:
    """Of the agent, since the user's last line began. `silent_ms`: since its last sound, and since the user's last word."""

    text: str = ""
    tools: frozenset[str] = frozenset()  # whose calls have succeeded
    silent_ms: float = 0.0


@dataclass(frozen=True)
class Say:
    """`interrupt_after_ms`: into the reply; else `after_ms` behind it. `at_once`: no reply is waited for."""

    step: str
    text: str
    after_ms: float
    interrupt_after_ms: float | None = None
    at_once: bool = False


@dataclass(frozen=True)
class Wait:
    step: str
    condition: Condition
    limit_ms: float


@dataclass(frozen=True)
class Ask:
    """Once the agent's turn is over; `at_once`: no reply is waited for."""

    step: str
    condition: Condition
    at_once: bool = False


Move = Say | Wait | Ask
Course = Generator[Move, bool | None, None]


class GaveUpError(Exception):
    """The caller gives up. `step`: where; the message says what did not come."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(why)
        self.step = step


def course_of(dialogue: Dialogue) -> Course:
    """Raises GaveUpError."""
    return _Walk().through(dialogue.steps, "steps")


@dataclass
class _Walk:
    """`unanswered`: a silence was waited for, or something that did not come, and nothing was said since."""

    unanswered: bool = False

    def through(self, steps: Sequence[Step], at: str) -> Course:
        for number, step in enumerate(steps):
            here = f"{at}.{number}"
            if isinstance(step, SayLine):
                yield self._said(here, step.say, step.after_ms, step.interrupt_after_ms)
            elif isinstance(step, WaitFor):
                yield from self._wait(step, here)
            elif isinstance(step, Choice):
                held = bool((yield Ask(here, step.if_, self.unanswered)))
                yield from self.through(step.branch(held=held), f"{here}.{_name_of_branch(step, held=held)}")
            else:
                yield from self._rounds(step, here)

    def _said(self, here: str, text: str, after_ms: float, interrupt_after_ms: float | None = None) -> Say:
        unanswered, self.unanswered = self.unanswered, False
        return Say(here, text, after_ms, interrupt_after_ms, unanswered)

    def _wait(self, step: WaitFor, here: str) -> Course:
        came = bool((yield Wait(here, step.wait_for, step.give_up_after_ms)))
        self.unanswered = not came or isinstance(step.wait_for, AgentSilent)
        if came:
            return
        if step.else_say is None:
            raise GaveUpError(here, f"{in_words(step.wait_for)} did not come within {step.give_up_after_ms / 1e3:g} s")
        yield self._said(f"{here}.else_say", step.else_say, 0.0)

    def _rounds(self, step: Repeat, here: str) -> Course:
        for _ in range(step.rounds):
            yield from self.through(step.repeat, f"{here}.repeat")
            if step.until is not None and (yield Ask(here, step.until, self.unanswered)):
                return
        if step.until is not None:
            raise GaveUpError(here, f"{in_words(step.until)} did not come in {step.rounds} rounds")


def _name_of_branch(step: Choice, *, held: bool) -> str:
    if held:
        return "say" if step.say is not None else "steps"
    return "else_say" if step.else_say is not None else "else_steps"


# what is waited and asked for


def holds(condition: Condition, heard: Heard) -> bool:
    """Raises PatternTooSlowError."""
    if isinstance(condition, AgentSays):
        return is_said(condition.agent_says, heard.text)
    if isinstance(condition, AgentAsks):
        asked = questions_in(heard.text)
        return any(condition.agent_asks is True or is_said(condition.agent_asks, question) for question in asked)
    if isinstance(condition, ToolReturned):
        return condition.tool in heard.tools
    return heard.silent_ms >= condition.silence_ms


def questions_in(text: str) -> list[str]:
    """The sentences with a question mark."""
    return [sentence for sentence in sentences_in(text) if any(mark in sentence for mark in QUESTION_MARKS)]


def in_words(condition: Condition) -> str:
    """As the subject of a sentence."""
    if isinstance(condition, AgentSays):
        return f"the agent's words {condition.agent_says!r}"
    if isinstance(condition, AgentAsks):
        return "a question" if condition.agent_asks is True else f"a question with the words {condition.agent_asks!r}"
    if isinstance(condition, ToolReturned):
        return f"the end of the tool call {condition.tool!r}"
    return f"a silence of {condition.silence_ms / 1e3:g} s"
