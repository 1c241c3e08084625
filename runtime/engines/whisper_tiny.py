"""Speech to text by Whisper's tiny.en on one core, by CTranslate2 (MIT): it hears words where pocketsphinx hears phrases.

Whisper was made for 30 s at a time and takes 0.4 s for them; here it gets the utterance and some silence (10 s at the least: with
less it says things twice), which takes a fifth. `earwitness setup` fetches the model. The package faster-whisper, which does
more, loads FFmpeg with GPL codecs into the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.engines.openai_transcription import RATE_HZ
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.transcribing_thread import TranscribingThread
from runtime.engines.whisper_features import log_mel
from runtime.engines.whisper_model import model_folder

INSTALL = "stt: CTranslate2 is not installed: pip install 'earwitness[neural]'"
PROMPT = ["<|startoftranscript|>", "<|notimestamps|>"]
LONGEST_S = 30.0
LEAST_S = 10.0
SILENCE_S = 2.0  # behind an utterance
MOST_TOKENS = 200  # a minute of speech


class TinyWhisperSpeechToText(TranscribingThread):
    def __init__(self) -> None:
        super().__init__()
        self._model: Any = None

    def _transcribed(self, samples: Int16Array) -> str:
        step = int((LONGEST_S - SILENCE_S) * RATE_HZ)
        parts = [samples[start : start + step] for start in range(0, len(samples), step)]
        return " ".join(filter(None, (self._said(part) for part in parts)))

    def _said(self, samples: Int16Array) -> str:
        n_samples = max(len(samples) + int(SILENCE_S * RATE_HZ), int(LEAST_S * RATE_HZ))
        sound = np.zeros(n_samples, np.float32)
        sound[: len(samples)] = samples / np.float32(32_768)
        try:
            import ctranslate2
        except ImportError as error:
            raise EngineError(INSTALL) from error
        try:
            if self._model is None:
                options = {"device": "cpu", "compute_type": "int8", "intra_threads": 1, "inter_threads": 1}
                self._model = ctranslate2.models.Whisper(str(model_folder()), **options)
            features = ctranslate2.StorageView.from_array(log_mel(sound)[None])
            found = self._model.generate(features, [PROMPT], beam_size=1, max_length=MOST_TOKENS)
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"stt: {error}") from error
        return text_of(found[0].sequences[0])


def text_of(tokens: list[str]) -> str:
    """Tokens of GPT-2's byte-level vocabulary → text."""
    said = "".join(token for token in tokens if not token.startswith("<|"))
    return bytes(BYTE_OF[character] for character in said).decode(errors="replace").strip()


def _byte_of() -> dict[str, int]:
    """GPT-2 writes each byte as one printable character: its own where it has one, else the next from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(others)}


BYTE_OF = _byte_of()
