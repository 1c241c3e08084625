"""The worker's last requests and how far each had come, kept by the supervisor, so that they survive a SIGKILL.

When the worker dies they are written to one file, whole or not at all: `crash-0001.json`; the newest KEPT_DUMPS are kept. A
dump holds the texts (the last one is the crash's likely cause); only its owner can read it.
"""

from __future__ import annotations

import json
import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Any

DUMP_SCHEMA_VERSION = 1
KEPT_DUMPS = 20


class RequestState(StrEnum):
    QUEUED = "queued"
    SPEAKING = "speaking"
    DONE = "done"
    CANCELLED = "cancelled"  # by /tts/cancel
    DISCONNECTED = "disconnected"  # its client went away, or stopped reading
    FAILED = "failed"


IN_PROGRESS = (RequestState.QUEUED, RequestState.SPEAKING)


class RequestRing:
    """The worker's reports on each request, latest last; requests in progress are never dropped for newer ones."""

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self._requests: dict[str, dict[str, Any]] = {}

    def note(self, told: dict[str, Any]) -> None:
        """`told`: id, state, and new fields."""
        record = {**self._requests.pop(told["id"], {}), **told}
        self._requests[told["id"]] = record
        surplus = len(self._requests) - self.size
        for key in [key for key, old in self._requests.items() if old["state"] not in IN_PROGRESS][: max(0, surplus)]:
            del self._requests[key]

    def requests(self) -> list[dict[str, Any]]:
        return list(self._requests.values())

    def in_progress(self) -> list[dict[str, Any]]:
        return [record for record in self._requests.values() if record["state"] in IN_PROGRESS]

    def worker_died(self) -> None:
        """Mark requests in progress as failed; the next worker does not know them."""
        for record in self.in_progress():
            record.update(state=RequestState.FAILED, detail=f"the worker died while it was {record['state']}")


def write_dump(folder: Path, about: dict[str, Any], ring: RequestRing) -> Path:
    """Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    older = sorted(folder.glob("crash-*.json"))
    number = int(older[-1].stem.removeprefix("crash-")) + 1 if older else 1
    path = folder / f"crash-{number:04d}.json"
    body = {
        "schema_version": DUMP_SCHEMA_VERSION,
        **about,
        "in_progress": [record["id"] for record in ring.in_progress()],
        "requests": ring.requests(),
    }
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".crash-")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for old in older[: max(0, len(older) + 1 - KEPT_DUMPS)]:
        old.unlink(missing_ok=True)
    return path
