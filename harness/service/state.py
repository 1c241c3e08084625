"""Where a running `earwitness serve` is found: one folder with a lock, a state file and the parts' logs.

The supervisor holds the lock, and the kernel releases it however the supervisor ends, so "is it running" needs no process id
that another process may have by now. The state file holds the control token; only its owner can read it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HarnessError, UsageError

STATE_FILE = "serve.json"
LOCK_FILE = "serve.lock"
TURN_LOG_FILE = "turns.jsonl"
LOG_LIMIT_BYTES = 5_000_000


class Running(BaseModel):
    """The state file. `admin` is the supervisor's own address on loopback, `token` opens its commands."""

    model_config = ConfigDict(frozen=True)
    v: int = 1
    pid: int
    page: str
    admin: str
    token: str
    started_unix_s: float


def state_folder(given: Path | None) -> Path:
    """Made if missing. --state > EARWITNESS_STATE > XDG_STATE_HOME > ~/.local/state. Raises UsageError."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    named = os.environ.get("EARWITNESS_STATE")
    folder = given or (Path(named) if named else base / "earwitness" / "serve")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"state folder {folder}: {error.strerror}; give another one with --state") from error
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold this folder's lock while the context is open. Raises HarnessError if another supervisor has it."""
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = find_running(folder)
            where = f" at {running.page}" if running is not None else ""
            raise HarnessError(
                f"earwitness serve runs already{where}; end it with `earwitness serve stop`, or give another --state"
            ) from None
        try:
            yield
        finally:
            (folder / STATE_FILE).unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Whether a supervisor lives."""
    path = folder / LOCK_FILE
    if not path.exists():
        return False
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_running(folder: Path, running: Running) -> None:
    """Write the state file atomically, for its owner alone."""
    part = folder / (STATE_FILE + ".tmp")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(running.model_dump_json())
    part.replace(folder / STATE_FILE)


def find_running(folder: Path) -> Running | None:
    """The state of the running product; None if nothing runs, or it is not ready yet."""
    if not is_locked(folder):
        return None
    try:
        return Running.model_validate(json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def log_path(folder: Path, name: str) -> Path:
    """The log of one part."""
    return rotated(folder / f"{name}.log")


def rotated(path: Path) -> Path:
    """`path`; a log that has grown too long is first moved aside (once, to NAME.1). Called when a part starts."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path
