"""The cache folder: what was built or fetched once serves every checkout. EARWITNESS_CACHE > XDG_CACHE_HOME > ~/.cache.

A part is built in a folder beside its place and renamed, under a lock, so that two set-ups at once do not collide.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ProvisionError


def cache_dir() -> Path:
    """The folder, made if missing. Raises ProvisionError if it cannot be made."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("EARWITNESS_CACHE") or Path(base) / "earwitness")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProvisionError(
            f"cache folder {folder}: {error.strerror}; set EARWITNESS_CACHE to one that can be written"
        ) from error
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time; released by the kernel if the holder dies."""
    with (cache_dir() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(name: str, build: Callable[[Path], None], *, anew: bool = False) -> Path:
    """The folder `name` of the cache, made by `build` in a temporary folder if it is not there yet; `anew`: in any case."""
    place = cache_dir() / name
    if place.exists() and not anew:
        return place
    with locked(name.replace("/", "_")):
        if place.exists() and not anew:
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        building = f".building-{place.name}-"
        for left_behind in place.parent.glob(f"{building}*"):  # by a build that was killed
            shutil.rmtree(left_behind, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=building, dir=place.parent))
        try:
            build(work)
            work.chmod(0o755)  # mkdtemp makes it for one user alone
            if anew:
                shutil.rmtree(place, ignore_errors=True)
            work.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return place
