"""A child's output on stdout that nobody has taken yet. Pure: bytes in, lines out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

LINES_KEPT = 100  # that nobody takes yet; more go into the log
LINE_BYTES = 65_536  # no awaited line is longer


class Said(Protocol):
    """`take_line` gives b"" if there is no whole line; when the output is `over`, also a last one without a newline."""

    def feed(self, data: bytes) -> None: ...
    def take_line(self, *, over: bool) -> bytes: ...
    def let_go(self) -> None: ...


class Lines:
    """For a child that writes by itself: lines that begin with `awaited` wait to be taken, `note` gets all others."""

    def __init__(self, awaited: bytes, note: Callable[[bytes], None]) -> None:
        self._awaited, self._note = awaited, note
        self._lines: deque[bytes] = deque()
        self._part = b""  # of a line that has no end yet
        self._is_long = False  # what comes up to the next newline belongs to a line that was too long
        self._keeping = True

    def feed(self, data: bytes) -> None:
        if not self._keeping:
            self._note(data)
            return
        *whole, self._part = (self._part + data).split(b"\n")
        for line in whole:
            self._sort(line + b"\n")
        if len(self._part) > LINE_BYTES:
            self._note(self._part)
            self._part, self._is_long = b"", True

    def _sort(self, line: bytes) -> None:
        waited_for = line.startswith(self._awaited) and not self._is_long and len(line) <= LINE_BYTES
        self._is_long = False
        if waited_for and len(self._lines) < LINES_KEPT:  # the first are those that somebody waits for
            self._lines.append(line)
        else:
            self._note(line)

    def take_line(self, *, over: bool) -> bytes:
        if over and self._part:
            part, self._part = self._part, b""
            self._sort(part)
        return self._lines.popleft() if self._lines else b""

    def let_go(self) -> None:
        """Note its lines: nobody waits for them."""
        self._keeping = False
        for line in (*self._lines, self._part):
            self._note(line)
        self._lines.clear()
        self._part = b""


class Answers:
    """For a child that only answers: all is kept, for an answer may be a line with any number of bytes after it."""

    def __init__(self) -> None:
        self._said = bytearray()

    def feed(self, data: bytes) -> None:
        self._said += data

    def take_line(self, *, over: bool) -> bytes:
        end = self._said.find(b"\n") + 1
        return self.take_bytes(len(self._said) if over and not end else end)

    def take_bytes(self, count: int) -> bytes:
        """b"" while there are fewer."""
        if len(self._said) < count:
            return b""
        taken = bytes(self._said[:count])
        del self._said[:count]
        return taken

    def let_go(self) -> None:
        self._said.clear()
