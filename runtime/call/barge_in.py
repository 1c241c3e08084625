"""Barge-in: whether a user who speaks into a reply means to interrupt it. Pure: it decides frame by frame.

NOTHING: a breath, a cough, a soft "mm-hm" is no reason to stop. HOLD: the voice was loud (for this user) and open for
70 ms: the reply falls silent at once, as for a real interruption, but can resume. Then CANCEL, when the voice goes on or
its words are no backchannel; or RESUME, when the voice ends as a backchannel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from runtime.call.prosody import FrameSound
from runtime.engines.protocols import Heard

FRAME_MS = 10.0
HOLD_STRONG_MS = 70.0  # loud and open frames; an unvoiced frame ("s") counts UNVOICED_WEIGHT
UNVOICED_WEIGHT = 0.5
HOLD_VOICED_MS = 30.0  # of them must be voiced: a cough mostly is not
HOLD_WEAK_MS = 750.0  # a soft or hummed sound this long is no backchannel (espeak-ng's "mm hm" lasts 590 to 650 ms)
WEAK_VOICED_SHARE = 0.4
ASK_SOFT_MS = 450.0
CONFIRM_MS = 700.0  # a loud "okay" lasts 330 to 360 ms, a loud "mm hm" 650 ms
SOFT_BELOW_DB = 9.0  # a backchannel is this far below the user's usual level
USUAL_DBFS = -20.0  # the usual level before this user's first turn

_BACKCHANNEL = (
    "ah aha alright exactly good great hm hmm hm-hm huh i mhm mm mm-hm mmm nice oh okay ok really right see sure uh uh-huh um "
    "well wow yea yeah yep yes"
)
BACKCHANNEL = frozenset(_BACKCHANNEL.split())
_WORD = re.compile(r"[a-z'-]+|[\u4e00-\u9fff]")


class Act(StrEnum):
    NOTHING = "nothing"
    HOLD = "hold"
    CANCEL = "cancel"
    RESUME = "resume"
    ASK = "ask"  # the voice ended undecided: finish the transcript, then `decide_by_words`


@dataclass(frozen=True)
class UserFrame:
    """10 ms of the user while the agent speaks. `speech_ms`: from the first voiced frame to the last one so far;
    `near`: the frame is no echo of the agent.
    """

    sound: FrameSound
    speech_ms: float
    near: bool = True
    partial_text: str = ""


def only_backchannel(text: str) -> bool:
    """Also true of an empty text."""
    return all(word in BACKCHANNEL for word in _WORD.findall(text.lower()))


@dataclass
class BargeIn:
    """One decision, made each time the user speaks into a reply. `feed` from the speech's first frame, `end` after its last."""

    usual_db: float | None = None
    held: bool = False
    strong_ms: float = 0.0
    strong_voiced_ms: float = 0.0
    near_ms: float = 0.0
    voiced_ms: float = 0.0

    def feed(self, frame: UserFrame) -> Act:
        if not frame.near:
            return Act.NOTHING
        self._weigh(frame.sound)
        if frame.partial_text and not only_backchannel(frame.partial_text):
            return Act.CANCEL
        speech_ms = min(frame.speech_ms, self.near_ms)
        if not self.held:
            self.held = self._worth_holding(speech_ms)
            return Act.HOLD if self.held else Act.NOTHING
        return Act.CANCEL if speech_ms >= CONFIRM_MS and self._mostly_voiced(speech_ms) else Act.NOTHING

    def _weigh(self, sound: FrameSound) -> None:
        self.near_ms += FRAME_MS
        self.voiced_ms += FRAME_MS * sound.voiced
        usual = USUAL_DBFS if self.usual_db is None else self.usual_db
        if sound.open and sound.level_db >= usual - SOFT_BELOW_DB:
            self.strong_ms += FRAME_MS * (1.0 if sound.voiced else UNVOICED_WEIGHT)
            self.strong_voiced_ms += FRAME_MS * sound.voiced

    def _mostly_voiced(self, speech_ms: float) -> bool:
        return self.voiced_ms >= WEAK_VOICED_SHARE * speech_ms

    def _strong_enough(self) -> bool:
        return self.strong_ms >= HOLD_STRONG_MS and self.strong_voiced_ms >= HOLD_VOICED_MS

    def _worth_holding(self, speech_ms: float) -> bool:
        return self._strong_enough() or (speech_ms >= HOLD_WEAK_MS and self._mostly_voiced(speech_ms))

    def end(self, speech_ms: float) -> Act:
        """The user is silent again. Soft but long speech may hold words that a recogniser spots."""
        return Act.ASK if self.held or speech_ms >= ASK_SOFT_MS else Act.NOTHING

    @property
    def was_aside(self) -> bool:
        """Whether the speech, begun under a reply, was never loud: a murmur or an unknown echo, and no turn."""
        return not self._strong_enough()

    def decide_by_words(self, heard: Heard) -> Act:
        """After ASK. The reply goes on if all words are backchannels; soft speech counts only by spotted phrases, for
        a recogniser finds some word in every hum.
        """
        if not self.held:
            return Act.RESUME if only_backchannel(" ".join(heard.phrases)) else Act.CANCEL
        self.held = False
        return Act.RESUME if only_backchannel(" ".join([heard.text, *heard.phrases])) else Act.CANCEL
