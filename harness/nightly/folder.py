"""A night's folder: `night.json` (atomic), the ledger, one folder a part; and whether an attempt is finished.

    runs/<night id>/night.json  night.jsonl  night.md  night.lock
    runs/<night id>/parts/<part id>/<run id>/…         a run like any other
    runs/<night id>/parts/<part id>/broken_off/…       a killed attempt's remains, which do not count

One process at a time works in it. An attempt is finished if its manifest says how it ended, unless we ended it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.listen.read.reading import first_problem
from harness.model.capture import MANIFEST, Manifest, read_manifest, write_atomic
from harness.model.night import NIGHT_SCHEMA_VERSION, Night
from harness.model.status import CaptureStatus

NIGHT, LOCK, PARTS, BROKEN_OFF, CAPTURES = "night.json", "night.lock", "parts", "broken_off", "captures"
#: Attempts that we ended or did not record completely: playing them again gives the agent no second chance.
UNFINISHED = (CaptureStatus.INTERRUPTED, CaptureStatus.CAPTURE_WRITE_ERROR)


def find_night(runs: Path, name: str) -> Path:
    """The folder of a night by its id, the beginning of it, or its path. Raises UsageError."""
    if (Path(name) / NIGHT).is_file():
        return Path(name)
    found = sorted(path.parent for path in runs.glob(f"*/{NIGHT}") if path.parent.name.startswith(name))
    exact = [path for path in found if path.name == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise UsageError(f"--resume {name}: fits {', '.join(path.name for path in found)}; give more of it")
    raise UsageError(f"--resume {name}: no night of this name in {runs} (a folder with a {NIGHT}); name another --out")


def read_night(folder: Path) -> Night:
    """Raises UsageError for a night that cannot be read, or of another schema."""
    path = folder / NIGHT
    try:
        record = json.loads(path.read_bytes())
        version = record.get("schema_version") if isinstance(record, dict) else None
        if version != NIGHT_SCHEMA_VERSION:
            raise UsageError(f"{path}: night schema {version}, this version knows {NIGHT_SCHEMA_VERSION}")
        return Night.model_validate(record)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error)}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error})") from error


def write_night(folder: Path, night: Night) -> None:
    """Raises OSError."""
    write_atomic(folder / NIGHT, night.model_dump_json(indent=1).encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the night's lock; the kernel releases it however its process ends. Raises UsageError, OSError."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"{folder.name}: another process is at work on this night; wait for it, or end it"
            ) from error
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether a process works in it."""
    if not (folder / LOCK).is_file():
        return False
    try:
        with locked(folder):
            return False
    except UsageError:
        return True


def finished(capture: Path) -> Manifest | None:
    """The manifest, if the attempt in this folder needs no (further) playing."""
    try:
        manifest = read_manifest(capture)
    except (OSError, ValidationError):
        return None
    return None if manifest.status in UNFINISHED or manifest.trace_id != capture.name else manifest


def set_aside(capture: Path, broken_off: Path) -> Path | None:
    """Move a killed attempt's remains aside, and keep them. None if there are none. Raises OSError."""
    if not capture.exists():
        return None
    broken_off.mkdir(parents=True, exist_ok=True)
    place = next(p for n in range(1, 10_000) if not (p := broken_off / f"{capture.name}-{n}").exists())
    capture.rename(place)
    manifest = place / MANIFEST
    if manifest.exists():  # so that nothing takes it for a capture
        manifest.rename(place / f"{MANIFEST}.not_finished")
    return place


def size_bytes(folder: Path) -> int:
    """The folder's size on disk. Files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except OSError:
            continue
        total += found.st_blocks * 512
    return total
