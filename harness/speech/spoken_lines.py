"""The lines of a dialogue, as they were built ahead of the call: at hand in it, so they cost a measured call no processor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

from harness.model.dialogue import Dialogue
from harness.model.plan import BuiltCase
from harness.speech.word_times import Word


@dataclass(frozen=True)
class SpokenLine:
    """int16 samples at 48 kHz, shape (n,), from the first voiced one to the last; words relative to the first."""

    text: str
    samples: npt.NDArray[np.int16]
    words: tuple[Word, ...] = ()


def spoken_lines(dialogue: Dialogue, built: BuiltCase) -> dict[str, SpokenLine]:
    """Every line that may be said, by its text in the case. Raises OSError."""
    samples, _ = soundfile.read(built.wav, dtype="int16")
    lines = {}
    for text, utterance in zip(dialogue.lines, built.truth.utterances, strict=True):
        start, end = utterance.start_sample, utterance.end_sample
        words = tuple(Word(w.text, w.start_sample - start, w.end_sample - start) for w in utterance.words)
        lines[text] = SpokenLine(utterance.text, samples[start:end], words)
    return lines
