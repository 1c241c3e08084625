"""The cache folder: what was built or fetched once serves every checkout. EARWITNESS_CACHE > XDG_CACHE_HOME > ~/.cache.

A part is built in a folder beside its place and renamed, under a lock, so that two set-ups at once do not meet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Made if it does not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("EARWITNESS_CACHE") or Path(base) / "earwitness")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time; released by the kernel if the holder dies."""
    with (cache_dir() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, made by `build` in a temporary folder if it is not there yet."""
    place = cache_dir() / name
    if place.exists():
        return place
    with locked(name.replace("/", "_")):
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
        try:
            build(work)
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return place
