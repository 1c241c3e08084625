"""A dialogue: what a case's user says depends on what the agent says. Its steps, as a case file writes them.

Times are ms of the user's audio. A dialogue ends: every loop has its number of rounds, every wait its limit, the whole at
most MOST_LINES lines and `give_up_after_ms`. How it goes on from what was heard is in `harness.model.course`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from harness.model.expect import Phrase

MOST_LINES = 100  # that one call can come to, by the longest way through the steps
MOST_ROUNDS = 20
MOST_LEVELS = 10  # of steps within steps
LONGEST_WAIT_MS = 120_000.0
LONGEST_MS = 600_000.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)


def _kind_of(known_by: dict[str, str]) -> Discriminator:
    """Choose the model of a union by the first of these keys that is there, so that an error names that model alone."""

    def kind(value: Any) -> str | None:
        if isinstance(value, BaseModel):
            return type(value).__name__
        given = value if isinstance(value, dict) else {}
        return next((name for key, name in known_by.items() if key in given), None)

    return Discriminator(kind, "one_of", f"needs one of the keys {', '.join(known_by)}")


# what the agent did since the user's last line began


class AgentSays(_Strict):
    agent_says: Phrase  # its own text has this phrase


def _true_or_words(value: Any) -> Any:
    if value is not True and not isinstance(value, str):
        raise ValueError("must be true (any question) or words that the question has")
    return value


class AgentAsks(_Strict):
    agent_asks: Annotated[
        Phrase | Literal[True], BeforeValidator(_true_or_words)
    ]  # one of its sentences ends in a question mark (and has this phrase)


class ToolReturned(_Strict):
    tool: str = Field(min_length=1, max_length=200)  # a call of this tool has succeeded


class AgentSilent(_Strict):
    silence_ms: float = Field(ge=300, le=60_000)  # it is silent for so long, after the user's last word


Did = Annotated[
    Annotated[AgentSays, Tag("AgentSays")]
    | Annotated[AgentAsks, Tag("AgentAsks")]
    | Annotated[ToolReturned, Tag("ToolReturned")],
    _kind_of({"agent_says": "AgentSays", "agent_asks": "AgentAsks", "tool": "ToolReturned"}),
]
Awaited = Annotated[
    Annotated[AgentSays, Tag("AgentSays")]
    | Annotated[AgentAsks, Tag("AgentAsks")]
    | Annotated[ToolReturned, Tag("ToolReturned")]
    | Annotated[AgentSilent, Tag("AgentSilent")],
    _kind_of(
        {"agent_says": "AgentSays", "agent_asks": "AgentAsks", "tool": "ToolReturned", "silence_ms": "AgentSilent"}
    ),
]
Condition = AgentSays | AgentAsks | ToolReturned | AgentSilent


def _words(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be words: put them in quotes (YAML takes yes, no and numbers for something else)")
    return value


Line = Annotated[str, BeforeValidator(_words), Field(min_length=1, max_length=2_000)]


# steps


class SayLine(_Strict):
    """The user says a line: once the agent's turn is over, or into its reply."""

    say: Line
    after_ms: float = Field(
        default=500, ge=0, le=60_000
    )  # from the end of what is heard of the reply to the line before
    interrupt_after_ms: float | None = Field(default=None, ge=0, le=60_000)  # from its first sound instead: a barge-in


class WaitFor(_Strict):
    """The user waits. Without `else_say` the call ends where the wait does, with a status that says for what."""

    wait_for: Awaited
    give_up_after_ms: float = Field(default=20_000, gt=0, le=LONGEST_WAIT_MS)
    else_say: Line | None = None  # said where it was waited in vain; the dialogue then goes on

    @model_validator(mode="after")
    def _can_come(self) -> WaitFor:
        if isinstance(self.wait_for, AgentSilent) and self.give_up_after_ms < self.wait_for.silence_ms:
            raise ValueError(
                f"give_up_after_ms ({self.give_up_after_ms:g}) is shorter than the silence ({self.wait_for.silence_ms:g}), "
                "which can never come"
            )
        return self


class Choice(_Strict):
    """Asked once, when the agent's turn is over. A branch is one line, or steps."""

    if_: Did = Field(alias="if")
    say: Line | None = None
    steps: list[Step] | None = Field(default=None, min_length=1)  # instead of say
    else_say: Line | None = None
    else_steps: list[Step] | None = Field(default=None, min_length=1)  # instead of else_say

    @model_validator(mode="after")
    def _one_thing_a_branch(self) -> Choice:
        for line, steps in (("say", "steps"), ("else_say", "else_steps")):
            if getattr(self, line) is not None and getattr(self, steps) is not None:
                raise ValueError(f"has both {line} and {steps}; a branch is one of them")
        if not self.branch(held=True) and not self.branch(held=False):
            raise ValueError("nothing hangs on it: give say, steps, else_say or else_steps")
        return self

    def branch(self, *, held: bool) -> Sequence[Step]:
        line, steps = (self.say, self.steps) if held else (self.else_say, self.else_steps)
        return [SayLine(say=line)] if line is not None else steps or []


class Repeat(_Strict):
    """Steps again and again. With `until`, the last round without it ends the call, with a status that says so."""

    repeat: list[Step] = Field(min_length=1)
    times: int | None = Field(default=None, ge=1, le=MOST_ROUNDS)  # rounds, at most; needed
    until: Did | None = None  # asked after each round, when the agent's turn is over

    @model_validator(mode="after")
    def _ends(self) -> Repeat:
        if self.times is None:
            raise ValueError(f"a loop without times can go on for ever: give times, {MOST_ROUNDS} at most")
        return self

    @property
    def rounds(self) -> int:
        assert self.times is not None  # checked above
        return self.times


Step = Annotated[
    Annotated[Choice, Tag("Choice")]
    | Annotated[WaitFor, Tag("WaitFor")]
    | Annotated[Repeat, Tag("Repeat")]
    | Annotated[SayLine, Tag("SayLine")],
    _kind_of({"if": "Choice", "wait_for": "WaitFor", "repeat": "Repeat", "say": "SayLine"}),
]


class Dialogue(_Strict):
    """What the user says, line by line, and what each line hangs on."""

    steps: list[Step] = Field(min_length=1)
    voice: str = "en-us"
    rate_wpm: int = Field(default=185, ge=80, le=450)
    level_dbfs: float = Field(default=-23.0, ge=-70, le=-6)  # RMS over the voiced part of each line
    give_up_after_ms: float = Field(default=180_000, gt=0, le=LONGEST_MS)  # of the call: then no further step begins

    @model_validator(mode="after")
    def _comes_to_words_and_to_an_end(self) -> Dialogue:
        if _levels(self.steps) > MOST_LEVELS:
            raise ValueError(f"steps stand in steps more than {MOST_LEVELS} levels deep")
        if not _always_speaks(self.steps):
            raise ValueError("a call may pass in which the user says nothing: give a say that hangs on no condition")
        lines = _most_lines(self.steps)
        if lines > MOST_LINES:
            raise ValueError(
                f"a call may come to {lines} lines; {MOST_LINES} are the most: fewer rounds, or fewer lines"
            )
        return self

    @property
    def lines(self) -> list[str]:
        """Every line that may be said, each once, in the order of the file."""
        return list(dict.fromkeys(_lines_of(self.steps)))


def _levels(steps: Sequence[Step]) -> int:
    inside = [_levels(part) for step in steps for part in _parts(step)]
    return 1 + max(inside, default=0)


def _parts(step: Step) -> list[Sequence[Step]]:
    if isinstance(step, Choice):
        return [step.branch(held=True), step.branch(held=False)]
    return [step.repeat] if isinstance(step, Repeat) else []


def _always_speaks(steps: Sequence[Step]) -> bool:
    return any(_speaks(step) for step in steps)


def _speaks(step: Step) -> bool:
    if isinstance(step, Choice):
        return _always_speaks(step.branch(held=True)) and _always_speaks(step.branch(held=False))
    return isinstance(step, SayLine) or (isinstance(step, Repeat) and _always_speaks(step.repeat))


def _most_lines(steps: Sequence[Step]) -> int:
    return sum(_most_lines_of(step) for step in steps)


def _most_lines_of(step: Step) -> int:
    if isinstance(step, Choice):
        return max(_most_lines(part) for part in _parts(step))
    if isinstance(step, Repeat):
        return step.rounds * _most_lines(step.repeat)
    return int(isinstance(step, SayLine) or step.else_say is not None)


def _lines_of(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        for part in _parts(step):
            yield from _lines_of(part)
        if isinstance(step, SayLine):
            yield step.say
        elif isinstance(step, WaitFor) and step.else_say is not None:
            yield step.else_say


# what became of it


class DialogueRecord(_Strict):
    """One step as it went, in dialogue.jsonl. `heard`: the agent's own text since the user's last line began."""

    v: Literal[1] = 1
    step: str  # where it stands in the case: steps.1, steps.2.else_steps.0
    did: Literal["said", "waited", "asked", "gave_up"]
    t_mono_ms: float
    text: str = ""  # of the line, or of what is waited or asked for
    held: bool | None = None  # whether it came
    heard: str = ""


for model in (Choice, Repeat, Dialogue):
    model.model_rebuild()
