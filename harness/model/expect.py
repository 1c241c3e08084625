"""What a case expects of the words of a turn, of its silences, of the tools that the agent calls in it, and of its greeting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.model.pattern import why_no_pattern

PATTERN = "re:"


def _phrase(text: str) -> str:
    if not text.removeprefix(PATTERN).strip():
        raise ValueError("a phrase needs a word")
    if not text.startswith(PATTERN) and not any(letter.isalnum() for letter in text):
        raise ValueError(f"{text!r} has no word; {PATTERN} begins a pattern for signs")
    if text.startswith(PATTERN):
        why = why_no_pattern(text[len(PATTERN) :])
        if why is not None:
            raise ValueError(f"{text!r} is no pattern: {why}")
    return text


Phrase = Annotated[str, Field(max_length=500), AfterValidator(_phrase)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Understood(_Strict):
    """How much of the user's words the agent may misunderstand."""

    wer_max: float = Field(ge=0, le=10)


class ExpectedTool(_Strict):
    """A call of a tool that succeeds. `args`: what its arguments have, among others (nested likewise).

    `times`: how often, else at least once. `before`: it has returned when the reply begins (its last sound, after a filler),
    or when the other tool named here is called.
    """

    name: str = Field(min_length=1, max_length=200)
    args: dict[str, Any] = Field(default_factory=dict)
    times: int | None = Field(default=None, ge=1, le=1_000)
    before: str | None = Field(default=None, min_length=1, max_length=200)


class SayDo(_Strict):
    """Words that claim a deed: the agent says `says` exactly where `tool` succeeds."""

    says: Phrase
    tool: str = Field(min_length=1, max_length=200)


class Expectation(_Strict):
    """Of one turn. A phrase is words in their order (numbers and spelling made alike), or `re:` and a pattern."""

    says: list[Phrase] = Field(default_factory=list)  # the agent's reply has each of them
    never_says: list[Phrase] = Field(default_factory=list)
    understood: Understood | None = None
    reply_wer_max: float | None = Field(default=None, ge=0, le=10)  # of the agent's text, where the user hears it
    tools: list[ExpectedTool] = Field(default_factory=list)
    forbid_tools: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list)
    say_do: list[SayDo] = Field(default_factory=list)

    answer_within_ms: float | None = Field(
        default=None, gt=0, le=600_000
    )  # end of turn → the answer, behind any filler
    dead_air_max_ms: float | None = Field(default=None, gt=0, le=600_000)  # the longest silence of the agent's turn

    @property
    def asks_for_phrases(self) -> bool:
        return bool(self.says or self.never_says)

    @property
    def asks_for_tools(self) -> bool:
        return bool(self.tools or self.forbid_tools or self.say_do)


GreetingRule = Literal["auto", "none", "required"]  # whether the agent speaks first


class ExpectedGreeting(_Strict):
    """The agent speaks first, and this is held against it."""

    within_ms: float | None = Field(default=None, gt=0, le=600_000)  # the user's joining → its first word, as heard
    says: list[Phrase] = Field(default_factory=list)  # what the agent says ahead of the user has each of them
    lost_head: bool | None = None  # false: its first word is heard whole

    @field_validator("lost_head")
    @classmethod
    def _nobody_wants_it_cut(cls, wanted: bool | None) -> bool | None:
        if wanted:
            raise ValueError("false asks that the first word is heard whole; leave the key out to ask nothing of it")
        return wanted

    @model_validator(mode="after")
    def _asks_for_something(self) -> ExpectedGreeting:
        if self.within_ms is None and not self.says and self.lost_head is None:
            raise ValueError("needs one of within_ms, says and lost_head; greeting: required asks for any greeting")
        return self
