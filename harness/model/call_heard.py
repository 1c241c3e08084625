"""What was heard in one recording of a conversation: turns, talk-over, defects, the moments worth hearing, the limits.

Times are ms from the recording's first sample. A figure that is not known is None, with the reason beside it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.model.measurement import Defect

CALL_HEARD_SCHEMA_VERSION = 1

Reading = Literal["two_sides", "one_mix"]
Side = Literal["user", "agent"]
Ended = Literal["answered", "unanswered", "agent_went_on", "recording_ends"]
MomentKind = Literal["unanswered", "dead_air", "wait", "agent_over_user", "barge_in", "defect", "silence"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stretch(_Frozen):
    """[start, end) in which one side speaks, pauses below 0.3 s (the user: 0.7 s) included."""

    start_ms: float
    end_ms: float


class UserTurn(_Frozen):
    """One turn of the user and what came of it. Waits count from the user's last voiced sample; negative: spoken into it."""

    utterance: int
    start_ms: float
    end_ms: float
    error_ms: float | None = None  # how far its edges may be off, where noise lies under the words
    ended: Ended
    first_sound_ms: float | None = None
    first_speech_ms: float | None = None
    uncertainty_ms: float | None = None
    dead_air_ms: float | None = None  # the longest silence while it is the agent's turn
    dead_air_at_ms: float | None = None
    reason: str = ""  # why there is no wait, or what is to be known of it
    invalid: bool = False


class Overlap(_Frozen):
    """Both speak. `began`: who spoke into the other's words."""

    start_ms: float
    end_ms: float
    began: Side
    utterance: int
    talked_on_ms: float | None = None  # of a barge-in: the user's first voiced sample → the agent's last
    yielded: bool = False  # of a barge-in: the agent fell silent before the user did


class CallMoment(_Frozen):
    """A stretch to listen to. `start_ms` to `end_ms` is what is marked; `utterances`: the user's words that lead to it."""

    number: int
    kind: MomentKind
    start_ms: float
    end_ms: float
    side: Side
    what: str
    why: str = ""
    utterances: list[int] = Field(default_factory=list)


class CallHeard(_Frozen):
    """Everything that `earwitness check` says of one recording. The same files give the same record."""

    schema_version: int = CALL_HEARD_SCHEMA_VERSION
    name: str
    reading: Reading
    user: str  # whose words are the user's: "the left channel", "first.wav"; "" in a mix
    duration_ms: float
    agent_spoke_first: bool = False
    user_speaks: list[Stretch] = Field(default_factory=list)
    agent_speaks: list[Stretch] = Field(default_factory=list)  # in a mix: anybody
    turns: list[UserTurn] = Field(default_factory=list)
    turns_unknown: str = ""  # why none is told
    overlaps: list[Overlap] = Field(default_factory=list)
    overlaps_unknown: str = ""  # why talk-over is not told
    defects: list[Defect] = Field(default_factory=list)
    moments: list[CallMoment] = Field(default_factory=list)
    read_as: list[str] = Field(default_factory=list)  # how the recording was read
    not_known: list[str] = Field(default_factory=list)  # what one recording cannot tell
    believed: bool = True
    doubts: list[str] = Field(default_factory=list)

    @property
    def timed(self) -> bool:
        """At least one answer was timed, and each time that was taken is to be believed."""
        waits = [turn for turn in self.turns if turn.first_speech_ms is not None]
        return self.believed and bool(waits) and not any(turn.invalid for turn in waits)
