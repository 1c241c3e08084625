"""What a user has said in a call whose words nobody knew before: said.wav and its truth, as they grow.

Positions are samples at 48 kHz. Lines stand GAP_MS apart in said.wav, whenever they were said; it ends in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.live.segments import Segment
from harness.model.case import CASE_RATE_HZ, SpokenUtterance, SpokenWord, Truth
from harness.speech.build import samples_sha256
from harness.speech.spoken_lines import SpokenLine

GAP_MS = 500.0
GAP = int(GAP_MS * CASE_RATE_HZ / 1e3)


@dataclass(frozen=True)
class Hang:
    """What a line's start hangs on, as a truth has it."""

    after: Literal["reply_start", "reply_end"]
    delay_ms: float


@dataclass
class SaidSoFar:
    """`truth` and `samples` belong together at any moment, so a call that breaks off keeps what was said."""

    truth: Truth
    samples: npt.NDArray[np.int16]

    @classmethod
    def nothing(cls, lines: Truth) -> SaidSoFar:
        """`lines`: the truth of all that may be said."""
        said = cls(lines.model_copy(update={"utterances": []}), np.zeros(GAP, np.int16))
        said._number()
        return said

    def add(self, line: SpokenLine, hang: Hang | None) -> Segment:
        """The line as the next utterance, and the piece of `samples` that is to be played."""
        begin, index = len(self.samples), len(self.truth.utterances)
        utterance = SpokenUtterance(
            start_sample=begin,
            end_sample=begin + len(line.samples),
            text=line.text,
            after=hang.after if hang is not None else None,
            delay_ms=hang.delay_ms if hang is not None else None,
            words=[
                SpokenWord(text=word.text, start_sample=begin + word.start, end_sample=begin + word.end)
                for word in line.words
            ],
        )
        self.samples = np.concatenate([self.samples, line.samples, np.zeros(GAP, np.int16)])
        self.truth = self.truth.model_copy(update={"utterances": [*self.truth.utterances, utterance]})
        self._number()
        return Segment(begin, begin + len(line.samples), ((index, utterance),))

    def _number(self) -> None:
        update = {"n_samples": len(self.samples), "sha256": samples_sha256(self.samples)}
        self.truth = self.truth.model_copy(update=update)
