"""heard_words.json: what a recogniser understood of the agent's speech, in each recording; made once, after the call.

Kept in the capture, so that it is judged again without the recogniser. Positions are samples of the recording (48 kHz).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AgentRecording = Literal["pre_rtc", "post_rtc", "ear"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UnderstoodSound(_Frozen):
    """[start, end) of one recording, and its words; "" where none was understood.

    `also`: what was understood when the sound was altered a little, where words seemed to be lost.
    """

    recording: AgentRecording
    start: int
    end: int
    text: str
    also: list[str] = Field(default_factory=list)


class HeardWords(_Frozen):
    """`skipped`: why nothing was recognised. `excluded`: that is no fault (the model does not know the agent's language).

    `post_rtc` is recognised where words were understood as published and not at the user's own listener.
    """

    v: Literal[1] = 1
    model: str = ""  # its name
    version: str = ""  # the model's, and that of what ran it
    language: str = ""
    skipped: str = ""
    excluded: bool = False
    sounds: list[UnderstoodSound] = Field(default_factory=list)
