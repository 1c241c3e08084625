"""Words by the neural voice: phonemes from espeak-ng's process, samples from the voice, word times from its durations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.errors import HarnessError
from harness.speech.espeak_worker import EspeakWorker
from harness.speech.word_times import Word, times_of_words
from runtime.voice.piper import ESPEAK_VOICE, LEAD, VOICE_FOLDER, VOICE_NAME, VOICE_VERSION, PiperVoice, Sounded

__all__ = ["NAME", "VOICE_FOLDER", "NeuralWords"]

NAME = f"Piper {VOICE_NAME} {VOICE_VERSION}"
NATURAL_WPM = (
    185  # at length scale 1 it says the shipped sentences in 0.98 of the time that espeak-ng takes at this rate
)
#: Brings its RMS to that of espeak-ng (median of the shipped sentences), so that both may share an utterance.
EVEN_GAIN = 1.45


class NeuralWords:
    """Raises HarnessError where the voice is not here."""

    def __init__(self, espeak: EspeakWorker) -> None:
        self._espeak = espeak
        try:
            self._voice = PiperVoice()
        except ImportError as error:
            raise HarnessError("the neural voice needs onnxruntime: pip install 'earwitness[speech]'") from error
        except FileNotFoundError as error:
            raise HarnessError(str(error)) from error

    def say(self, text: str, rate_wpm: int) -> tuple[npt.NDArray[np.float64], tuple[Word, ...]]:
        """Samples at the voice's rate, full scale ±1, and the place of each word in them."""
        pieces: list[npt.NDArray[np.float64]] = [np.zeros(0)]
        sounded: list[Sounded] = []
        at = 0
        for sentence in self._espeak.phonemes(text, ESPEAK_VOICE):
            said = self._voice.say(LEAD + sentence, NATURAL_WPM / rate_wpm)
            sounded += [Sounded(one.phoneme, at + one.start, at + one.end) for one in said.sounded()]
            pieces.append(said.samples.astype(np.float64) * EVEN_GAIN)
            at += len(said.samples)
        tokens = [(token, "".join(self._espeak.phonemes(token, ESPEAK_VOICE))) for token in text.split()]
        return np.concatenate(pieces), times_of_words(tokens, sounded)
