"""Speech to text by Whisper's tiny.en on one core, by CTranslate2 (MIT): it hears words where pocketsphinx hears phrases.

`earwitness setup` fetches the model.
"""

from __future__ import annotations

import numpy as np

from runtime.engines.openai_transcription import RATE_HZ
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.transcribing_thread import TranscribingThread
from runtime.engines.whisper_by_ctranslate2 import LONGEST_S, SILENCE_S, Whisper
from runtime.engines.whisper_model import model_folder

INSTALL = "stt: CTranslate2 is not installed: pip install 'earwitness[neural]'"


class TinyWhisperSpeechToText(TranscribingThread):
    def __init__(self) -> None:
        super().__init__()
        self._model: Whisper | None = None

    def _transcribed(self, samples: Int16Array) -> str:
        step = int((LONGEST_S - SILENCE_S) * RATE_HZ)
        parts = [samples[start : start + step] for start in range(0, len(samples), step)]
        return " ".join(filter(None, (self._said(part) for part in parts)))

    def _said(self, samples: Int16Array) -> str:
        try:
            if self._model is None:
                self._model = Whisper(model_folder())
            return self._model.text((samples / np.float32(32_768)).astype(np.float32))
        except ImportError as error:
            raise EngineError(INSTALL) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"stt: {error}") from error
