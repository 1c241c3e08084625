"""The cache: what is half built is never seen, what is built is built once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("EARWITNESS_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "earwitness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "earwitness"


def test_a_cache_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ProvisionError, match=r"file/cache.*EARWITNESS_CACHE"):
        cache_dir()


def test_many_who_want_the_same_part_get_one_build() -> None:
    builds = []

    def build(work: Path) -> None:
        builds.append(work)
        (work / "program").write_text("works")

    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda _: install("part-1", build), range(8)))
    assert len(builds) == 1
    assert [(place / "program").read_text() for place in places] == ["works"]


def test_a_build_that_fails_leaves_nothing_and_can_be_tried_again(cache: Path) -> None:
    def fail(work: Path) -> None:
        (work / "half").write_text("")
        raise ProvisionError("no network")

    with pytest.raises(ProvisionError, match="no network"):
        install("part-1", fail)
    assert not [path for path in cache.iterdir() if path.is_dir()]
    assert install("part-1", lambda work: (work / "program").touch()).joinpath("program").exists()


def test_what_a_killed_build_left_is_swept_and_others_builds_are_let_be(cache: Path) -> None:
    for name in (".building-part-1-abc", ".building-part-2-abc"):
        (cache / name).mkdir(parents=True)
    install("part-1", lambda work: None)
    assert {path.name for path in cache.iterdir() if path.is_dir()} == {"part-1", ".building-part-2-abc"}
