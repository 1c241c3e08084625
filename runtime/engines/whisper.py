"""Speech to text by faster-whisper on this machine (R-91: large-v3-turbo, int8, beam 5), an optional extra.

CTranslate2 works without the GIL in its own thread; one utterance at a time. The model is fetched from its hub at the first
use, or read from a folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.transcribing_thread import TranscribingThread

INSTALL = "faster-whisper is not installed: pip install 'earwitness[whisper]'"


@dataclass(frozen=True)
class WhisperOptions:
    model: str = "large-v3-turbo"
    compute_type: str = "int8"
    beam_size: int = 5
    language: str | None = None
    device: str = "auto"


class WhisperSpeechToText(TranscribingThread):
    def __init__(self, options: WhisperOptions) -> None:
        super().__init__()
        self.options = options
        self._model: Any = None

    def _loaded(self) -> Any:
        if self._model is None:
            try:
                from faster_whisper import WhisperModel
            except ImportError as error:
                raise EngineError(INSTALL) from error
            options = self.options
            try:
                self._model = WhisperModel(options.model, device=options.device, compute_type=options.compute_type)
            except Exception as error:  # the hub's client and its HTTP library may raise anything
                said = " ".join(str(error).split())
                raise EngineError(f"faster-whisper cannot load {options.model!r}: {said}") from error
        return self._model

    def _transcribed(self, samples: Int16Array) -> str:
        model, options = self._loaded(), self.options
        sound = samples.astype(np.float32) / 32_768.0
        try:
            segments, _ = model.transcribe(
                sound, beam_size=options.beam_size, language=options.language, condition_on_previous_text=False
            )
            return " ".join(segment.text.strip() for segment in segments).strip()  # the work is done in here
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"faster-whisper failed: {error}") from error
