"""Who writes into a capture's folder: one attached session, though several may be in the room, in one process or in many.

A lock on the folder itself, which leaves no file and ends with its process. Without such locks (Windows) every session may write.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

flock: ModuleType | None
try:
    import fcntl as flock
except ImportError:  # Windows
    flock = None


class Claim:
    """`held` is False where another session has the folder."""

    def __init__(self, folder: Path) -> None:
        self.held = True
        self._file: int | None = None
        if flock is None:
            return
        try:
            self._file = os.open(folder, os.O_RDONLY)
            flock.flock(self._file, flock.LOCK_EX | flock.LOCK_NB)
        except BlockingIOError:
            self.held = False
            self.release()
        except OSError:  # a file system without locks
            self.release()

    def release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
