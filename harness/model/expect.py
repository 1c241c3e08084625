"""What a case expects of the words of a turn."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PATTERN = "re:"


def _phrase(text: str) -> str:
    if not text.removeprefix(PATTERN).strip():
        raise ValueError("a phrase needs a word")
    if text.startswith(PATTERN):
        try:
            re.compile(text[len(PATTERN) :])
        except re.error as error:
            raise ValueError(f"{text!r} is no pattern: {error}") from error
    return text


Phrase = Annotated[str, Field(max_length=500), AfterValidator(_phrase)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Understood(_Strict):
    """How much of the user's words the agent may misunderstand."""

    wer_max: float = Field(ge=0, le=10)


class Expectation(_Strict):
    """Of one turn. A phrase is words in their order (numbers and spelling made alike), or `re:` and a pattern."""

    says: list[Phrase] = Field(default_factory=list)  # the agent's reply has each of them
    never_says: list[Phrase] = Field(default_factory=list)
    understood: Understood | None = None
