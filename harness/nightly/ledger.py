"""The ledger of a night, `night.jsonl`: one line for each finished step, appended and synced before the next begins.

A kill leaves at most the last line torn: a line counts only with its end of line, and a torn line is cut off before the next
is written. The captures are the truth; the ledger says what was done when, and in which session of the night.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.nightly.units import Unit

LEDGER = "night.jsonl"


class Line(BaseModel):
    """`start`: a session begins; `attempt`: one unit is measured; `part`: a part has its report; `stop`: a session ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Literal["start", "attempt", "part", "stop"]
    at: str  # ISO 8601, UTC
    session: int  # 1 for the first, one more each time the night was resumed
    session_s: float  # time since this session began
    part: str = ""
    case: str = ""
    number: int = 0
    trace_id: str = ""
    status: str = ""  # status of the attempt or part; reason of a stop
    text: str = ""
    code: int | None = None  # a step's exit status
    report: str = ""  # a step's report, relative to the night's folder
    not_in_history: str = ""  # why a part's run is not wholly in the history
    took_s: float | None = None
    bytes: int | None = None  # size of the attempt's recordings
    peak_bytes: int | None = None  # peak memory of the harness and its children in this session

    @property
    def unit(self) -> Unit:
        return Unit(self.part, self.case, self.number)


@dataclass(frozen=True)
class Read:
    """A ledger's content. `damaged`: numbers of unreadable lines; `whole`: bytes up to the last end of line."""

    lines: tuple[Line, ...]
    damaged: tuple[int, ...]
    whole: int


def parse_ledger(data: bytes) -> Read:
    """Pure."""
    whole = data.rfind(b"\n") + 1
    lines: list[Line] = []
    damaged: list[int] = []
    for number, row in enumerate(data[:whole].splitlines(), start=1):
        try:
            lines.append(Line.model_validate_json(row))
        except ValidationError:
            damaged.append(number)
    return Read(tuple(lines), tuple(damaged), whole)


class Ledger:
    """An append-only file for one process: the night's folder is locked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Read:
        """Raises OSError."""
        try:
            return parse_ledger(self.path.read_bytes())
        except FileNotFoundError:
            return Read((), (), 0)

    def append(self, line: Line) -> None:
        """The line is on disk when this returns. Raises OSError; then the line is missing or torn, and does not count."""
        data = line.model_dump_json(exclude_defaults=True).encode() + b"\n"
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            end = _end_of_whole_lines(handle)
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        finally:
            os.close(handle)


def _end_of_whole_lines(handle: int) -> int:
    """The offset just after the last end of line."""
    end = os.lseek(handle, 0, os.SEEK_END)
    step = 4096
    while end > 0:
        begin = max(0, end - step)
        found = os.pread(handle, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def attempts_in(lines: Sequence[Line]) -> set[Unit]:
    return {line.unit for line in lines if line.what == "attempt"}


def elapsed_s(lines: Sequence[Line]) -> float:
    """Time over all sessions; a killed session counts up to its last line."""
    longest: dict[int, float] = {}
    for line in lines:
        longest[line.session] = max(longest.get(line.session, 0.0), line.session_s)
    return round(sum(longest.values()), 1)
