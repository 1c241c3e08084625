"""Who speaks a recipe's words: the neural voice by its name, espeak-ng for every other voice and language.

A context manager; espeak-ng's process and the neural voice start at the first words that need them. Samples are float64,
full scale ±1, at RATE_HZ. The neural voice's word times come from its phonemes' durations; espeak-ng gives none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError
from harness.speech.espeak_worker import EspeakWorker
from harness.speech.word_times import Word, times_of_words
from runtime.voice.piper import (
    ESPEAK_VOICE,
    LEAD,
    RATE_HZ,
    VOICE_FOLDER,
    VOICE_NAME,
    VOICE_VERSION,
    PiperVoice,
    Sounded,
)

NEURAL = "joe"  # how a recipe names it
NATURAL_WPM = (
    185  # at length scale 1 it says the shipped sentences in 0.98 of the time that espeak-ng takes at this rate
)
EVEN_GAIN = (
    1.45  # brings its RMS to that of espeak-ng (median of the shipped sentences), so that both may share an utterance
)


@dataclass(frozen=True)
class Speech:
    """Samples at RATE_HZ; words in samples of it."""

    samples: npt.NDArray[np.float64]
    words: tuple[Word, ...] = ()


class Voices:
    """`speak` gives the words of one part."""

    def __init__(self) -> None:
        self._espeak = EspeakWorker()
        self._neural: PiperVoice | None = None

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
        neural = self._voice()
        pieces: list[npt.NDArray[np.float64]] = [np.zeros(0)]
        sounded: list[Sounded] = []
        at = 0
        for sentence in self._espeak.phonemes(text, ESPEAK_VOICE):
            said = neural.say(LEAD + sentence, NATURAL_WPM / rate_wpm)
            sounded += [Sounded(one.phoneme, at + one.start, at + one.end) for one in said.sounded()]
            pieces.append(said.samples.astype(np.float64) * EVEN_GAIN)
            at += len(said.samples)
        tokens = [(token, "".join(self._espeak.phonemes(token, ESPEAK_VOICE))) for token in text.split()]
        return Speech(np.concatenate(pieces), times_of_words(tokens, sounded))

    def _voice(self) -> PiperVoice:
        if self._neural is None:
            try:
                self._neural = PiperVoice()
            except ImportError as error:
                raise HarnessError("the neural voice needs onnxruntime: pip install 'earwitness[speech]'") from error
            except FileNotFoundError as error:
                raise HarnessError(str(error)) from error
        return self._neural


def describe(voice: str) -> str:
    """The voice with its version, as a truth names it."""
    return f"Piper {VOICE_NAME} {VOICE_VERSION}" if voice == NEURAL else f"espeak-ng {voice} ({EspeakWorker.version()})"


def versions_of(voices: Iterable[str]) -> list[str]:
    """Whatever may change the samples of these voices, for a cache's key."""
    if NEURAL not in voices:
        return [EspeakWorker.version()]
    import importlib.metadata

    try:
        return [EspeakWorker.version(), VOICE_FOLDER, importlib.metadata.version("onnxruntime")]
    except importlib.metadata.PackageNotFoundError as error:
        raise HarnessError("the neural voice needs onnxruntime: pip install 'earwitness[speech]'") from error
