"""A Whisper model on one core by CTranslate2 (MIT) alone: sound in, text out. It blocks; whoever calls it chooses the thread.

Whisper was made for 30 s at a time and takes 0.4 s for them; here it gets the sound and some silence (10 s at the least: with
less it says things twice), which takes a fifth. The package faster-whisper, which does more, loads FFmpeg with GPL codecs into
the process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime.engines.whisper_features import BANDS, RATE_HZ, Float32Array, log_mel

LONGEST_S = 30.0
LEAST_S = 10.0
SILENCE_S = 2.0  # behind the sound
MOST_TOKENS = 200  # a minute of speech
FILES = ("model.bin", "config.json")


class Whisper:
    """A folder with a model in CTranslate2's form. `language`: of a multilingual model (ISO 639-1)."""

    def __init__(self, folder: Path, language: str = "en") -> None:
        """Raises ImportError, OSError, ValueError or RuntimeError."""
        import ctranslate2

        for name in FILES:
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder} is no Whisper model in CTranslate2's form: it holds no {name}")
        # int8 is a fifth faster, and hears otherwise on each kind of processor: where AVX2 is the widest it said one sentence
        # ten times
        options = {"device": "cpu", "compute_type": "float32", "intra_threads": 1, "inter_threads": 1}
        self._model: Any = ctranslate2.models.Whisper(str(folder), **options)
        self._bands = int(getattr(self._model, "n_mels", BANDS))
        self._prompt = prompt(self._model.is_multilingual, language)
        self.english_only = not self._model.is_multilingual

    def text(self, samples: Float32Array) -> str:
        """`samples`: mono at 16 kHz, within ±1, at most LONGEST_S - SILENCE_S. Raises OSError, ValueError, RuntimeError."""
        import ctranslate2

        n_samples = max(len(samples) + int(SILENCE_S * RATE_HZ), int(LEAST_S * RATE_HZ))
        sound = np.zeros(n_samples, np.float32)
        sound[: len(samples)] = samples
        features = ctranslate2.StorageView.from_array(log_mel(sound, self._bands)[None])
        found = self._model.generate(features, [self._prompt], beam_size=1, max_length=MOST_TOKENS)
        return text_of(found[0].sequences[0])


def prompt(multilingual: bool, language: str) -> list[str]:
    """What the decoder begins with: transcribe, without times."""
    of_language = [f"<|{language}|>", "<|transcribe|>"] if multilingual else []
    return ["<|startoftranscript|>", *of_language, "<|notimestamps|>"]


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
