"""livekit-client: pinned, locked without naming a registry, and complete in the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide.page_library import BUNDLE, ensure_page_library, find_page_library, lock_folder


def test_the_lock_pins_one_version_by_its_hash_and_names_no_host() -> None:
    text = (lock_folder() / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    wanted = json.loads((lock_folder() / "package.json").read_text())["dependencies"]["livekit-client"]
    assert packages["node_modules/livekit-client"]["version"] == wanted
    assert all("integrity" in package for name, package in packages.items() if name)
    assert '"resolved"' not in text


def test_what_set_up_brought_is_the_locked_version() -> None:
    library = ensure_page_library()
    assert find_page_library() == library
    assert (library.path / BUNDLE).stat().st_size > 100_000
    assert (library.path.parent / "LICENSE").is_file()
    wanted = json.loads((lock_folder() / "package.json").read_text())["dependencies"]["livekit-client"]
    assert library.version == wanted


def test_a_broken_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ensure_page_library().path.parents[2]
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    (tmp_path / place.name).mkdir()
    with pytest.raises(ProvisionError, match="delete it"):
        ensure_page_library()
