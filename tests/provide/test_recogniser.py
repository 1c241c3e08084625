"""The neural recogniser: one version by its hashes, fetched only where something is installed that can run it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from harness.provide.doctor import examine
from harness.provide.recogniser import ensure_recogniser, find_recogniser, recogniser_is_wanted
from runtime.engines.whisper_model import MODEL_SHA256, model_folder


def test_what_set_up_brought_are_the_pinned_files_and_where_the_engine_looks_for_them() -> None:
    if not recogniser_is_wanted():
        pytest.skip("needs the extra neural, which `make setup` installs")
    folder = ensure_recogniser()
    assert find_recogniser() == folder == model_folder()
    for name, expected in MODEL_SHA256.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_without_the_package_that_runs_it_nothing_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.provide.recogniser.find_spec", lambda name: None)
    assert not recogniser_is_wanted()
    (row,) = [component for component in examine() if component.name == "recogniser"]
    assert not row.ok
    assert not row.needed
    assert "pip install 'earwitness[asr]'" in row.advice


def test_a_missing_model_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    assert find_recogniser() is None
    with pytest.raises(FileNotFoundError, match="run `earwitness setup`"):
        model_folder()


def test_where_it_lies_is_known_without_an_engines_packages() -> None:
    """`earwitness setup` runs where nothing but the core is installed."""
    script = "import sys, harness.provide.recogniser; print([m for m in ('httpx2', 'ctranslate2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
