"""How long a pause must last to be the end of the user's turn. An interface beside the VAD (R-98).

`FixedTurnDetector` always waits the same time. `RuleTurnDetector` waits longer after an unfinished word or a held voice,
and less after a voice that fell or a complete sentence, within named bounds. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from runtime.call.prosody import Prosody

SHORTEST_HANGOVER_MS = 120.0  # the closure of a plosive and a short breath fit into it
LONGEST_HANGOVER_MS = 1_000.0  # the longest wait after a sentence that seems unfinished
UNFINISHED_WORD_MS = 500.0  # added to the hangover
HELD_VOICE_MS = 200.0  # added to the hangover
FINAL_VOICE_MS = -50.0

_UNFINISHED = (
    "a an and are as at because but by for from he her his i if in is it's its my of on or our she so than that the their "
    "then they this to uh um er we what's when where which while who will with would you your"
)
UNFINISHED = frozenset(_UNFINISHED.split())
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True)
class Pause:
    """State of the user's pause. `partial_text`: transcript so far, "" if the recogniser gives none."""

    silent_ms: float
    prosody: Prosody | None = None
    partial_text: str = ""


@dataclass(frozen=True)
class Hangover:
    """How long this pause must last to end the turn, and why."""

    ms: float
    because: str


class TurnDetector(Protocol):
    def hangover(self, pause: Pause) -> Hangover:
        """Called at every frame of a pause; the result may change as words arrive."""
        ...


@dataclass(frozen=True)
class FixedTurnDetector:
    silence_ms: float

    def hangover(self, pause: Pause) -> Hangover:
        return Hangover(self.silence_ms, "fixed")


def ends_unfinished(text: str) -> bool:
    """Whether the last word demands another: "and", "the", "um"."""
    words = _WORD.findall(text.lower())
    return bool(words) and words[-1] in UNFINISHED and not text.rstrip().endswith((".", "?", "!"))


@dataclass(frozen=True)
class RuleTurnDetector:
    """Words count more than the voice, and a held voice more than a falling one."""

    silence_ms: float

    def hangover(self, pause: Pause) -> Hangover:
        change, because = self._rule(pause)
        return Hangover(min(max(self.silence_ms + change, SHORTEST_HANGOVER_MS), LONGEST_HANGOVER_MS), because)

    def _rule(self, pause: Pause) -> tuple[float, str]:
        if ends_unfinished(pause.partial_text):
            return UNFINISHED_WORD_MS, "unfinished word"
        if pause.prosody is None:
            return 0.0, "fixed"
        if pause.prosody.held:
            return HELD_VOICE_MS, "held voice"
        if pause.prosody.final:
            return FINAL_VOICE_MS, "final voice"
        return 0.0, "fixed"


def make_turn_detector(name: str, silence_ms: float) -> TurnDetector:
    """`fixed` or `rules`."""
    return RuleTurnDetector(silence_ms) if name == "rules" else FixedTurnDetector(silence_ms)
