"""Chromium: the one that was named, else the first that runs; never one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide.chromium import ensure_chromium, find_chromium


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any browser; the folder that is its PATH."""
    monkeypatch.delenv("EARWITNESS_CHROMIUM", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "bin"


def test_the_one_named_by_the_environment_comes_first(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "chromium", "echo Chromium 1")
    mine = program(bare / "mine", "echo Chromium 2")
    monkeypatch.setenv("EARWITNESS_CHROMIUM", str(mine))
    found = find_chromium()
    assert found is not None
    assert (found.path, found.version) == (mine, "Chromium 2")


@pytest.mark.parametrize("script", [None, "exit 1", ":"], ids=["missing", "fails", "silent"])
def test_a_named_one_that_does_not_run_is_an_error_not_a_reason_to_take_another(
    bare: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    program(bare / "chromium", "echo Chromium 1")
    if script is not None:
        program(bare / "mine", script)
    monkeypatch.setenv("EARWITNESS_CHROMIUM", str(bare / "mine"))
    with pytest.raises(ProvisionError, match="mine"):
        find_chromium()


def test_one_that_does_not_run_is_passed_by(bare: Path) -> None:
    program(bare / "chromium-browser", "echo install the snap >&2; exit 1")
    assert find_chromium() is None
    chrome = program(bare / "google-chrome", "echo Google Chrome 150")
    found = find_chromium()
    assert found is not None
    assert found.path == chrome


def test_playwrights_own_is_found(bare: Path, tmp_path: Path) -> None:
    own = program(tmp_path / "playwright" / "chromium-1200" / "chrome-linux64" / "chrome", "echo Chromium 151")
    found = ensure_chromium()
    assert (found.path, found.version) == (own, "Chromium 151")


def test_where_none_can_be_installed_the_error_says_what_was_tried_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(ProvisionError, match=r"EARWITNESS_CHROMIUM.*Playwright's download: .*apt-get: needs Debian"):
        ensure_chromium()
