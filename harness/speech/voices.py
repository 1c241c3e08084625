"""Who speaks a recipe's words: the neural voice by its name, espeak-ng for every other voice and language.

A context manager; espeak-ng's process and the neural voice start at the first words that need them. The voice is a module
of the reference agent's package, and is loaded only then: pytest of a repository with a `runtime` of its own reads cases
through this module. Samples are float64, full scale ±1, at RATE_HZ. Word times are the neural voice's; espeak-ng gives none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError
from harness.speech.espeak_worker import EspeakWorker
from harness.speech.word_times import Word

if TYPE_CHECKING:
    from harness.speech.neural import NeuralWords

NEURAL = "joe"  # how a recipe names it
RATE_HZ = 22_050  # of espeak-ng and of the neural voice


@dataclass(frozen=True)
class Speech:
    """Samples at RATE_HZ; words in samples of it."""

    samples: npt.NDArray[np.float64]
    words: tuple[Word, ...] = ()


class Voices:
    """`speak` gives the words of one part."""

    def __init__(self) -> None:
        self._espeak = EspeakWorker()
        self._neural: NeuralWords | None = None

    def __enter__(self) -> Voices:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._espeak.close()

    def speak(self, text: str, voice: str, rate_wpm: int) -> Speech:
        """The same request always gives the same samples on one platform. Raises UnknownVoiceError, HarnessError."""
        if voice == NEURAL:
            return self._speak_neurally(text, rate_wpm)
        raw = self._espeak.speak(text, voice, rate_wpm)
        if self._espeak.rate_hz != RATE_HZ:
            heard = f"espeak-ng speaks at {self._espeak.rate_hz} Hz"
            raise HarnessError(f"{heard}, {RATE_HZ} expected: reinstall espeakng-loader")
        return Speech(raw.astype(np.float64) / 32768)

    def _speak_neurally(self, text: str, rate_wpm: int) -> Speech:
        if self._neural is None:
            from harness.speech.neural import NeuralWords

            self._neural = NeuralWords(self._espeak)
        return Speech(*self._neural.say(text, rate_wpm))


def describe(voice: str) -> str:
    """The voice with its version, as a truth names it."""
    if voice != NEURAL:
        return f"espeak-ng {voice} ({EspeakWorker.version()})"
    from harness.speech.neural import NAME

    return NAME


def versions_of(voices: Iterable[str]) -> list[str]:
    """Whatever may change the samples of these voices, for a cache's key."""
    if NEURAL not in voices:
        return [EspeakWorker.version()]
    import importlib.metadata

    from harness.speech.neural import VOICE_FOLDER

    try:
        return [EspeakWorker.version(), VOICE_FOLDER, importlib.metadata.version("onnxruntime")]
    except importlib.metadata.PackageNotFoundError as error:
        raise HarnessError("the neural voice needs onnxruntime: pip install 'earwitness[speech]'") from error
