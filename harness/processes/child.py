"""A child process in a group of its own: its log in a file, its output read for as long as it lives, the whole group ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from harness.errors import HarnessError
from harness.model.redaction import redacted

STOP_TIMEOUT_S = 5.0
LOG_TAIL_CHARS = 600
LONGEST_SECRET_BYTES = 4_096  # read ahead of the tail, so that no secret begins before it
LINES_KEPT = 100  # of a stdout that nobody reads yet; more go into the log


class Process:
    """A child in a process group of its own, with its log in a file.

    With a pipe, its stdout is read for as long as it lives, so that it can always write: `next_line` gives its lines, and
    from `log_the_rest` on they go into the log.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, log: IO[bytes], log_path: Path, secrets: Iterable[str] = ()
    ) -> None:
        self.process = process
        self._log = log
        self.log_path = log_path
        self._secrets = tuple(secrets)  # of its command, which its log may repeat
        self._said: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._listening = True
        self._reading = asyncio.create_task(self._read(process.stdout)) if process.stdout is not None else None

    @classmethod
    async def start(
        cls,
        argv: list[str],
        env: dict[str, str],
        log_path: Path,
        *,
        pipe: bool = False,
        pass_fds: tuple[int, ...] = (),
        secrets: Iterable[str] = (),
    ) -> Process:
        """Raises HarnessError if the program cannot be started."""
        log = log_path.open("ab")
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, env={**os.environ, **env}, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if pipe else log, stderr=log, start_new_session=True,
                pass_fds=pass_fds,
            )  # fmt: skip
        except OSError as error:
            log.close()
            program = redacted(argv[0], secrets)
            raise HarnessError(f"the agent's command {program!r} cannot be started: {error.strerror}") from error
        return cls(process, log, log_path, secrets)

    async def _read(self, stdout: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stdout.readline()
            except ValueError:  # longer than asyncio takes for a line; it is none of those that are waited for
                continue
            if not line:
                break
            if self._listening and len(self._said) < LINES_KEPT:  # the first are those that somebody waits for
                self._said.append(line)
                self._came.set()
            else:
                self._note(line)
        self._listening = False
        self._came.set()

    def _note(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk costs the line, and not the process that waits to write more
            self._log.write(line)
            self._log.flush()

    async def next_line(self) -> bytes:
        """Of its stdout; empty when there are no more."""
        while not self._said and self._listening:
            self._came.clear()
            await self._came.wait()
        return self._said.popleft() if self._said else b""

    def log_the_rest(self) -> None:
        """Nobody waits for its lines any more."""
        self._listening = False
        while self._said:
            self._note(self._said.popleft())

    def log_tail(self) -> str:
        """The end of its log, without secrets."""
        try:
            end = self.log_path.read_bytes()[-(LOG_TAIL_CHARS + LONGEST_SECRET_BYTES) :].decode(errors="replace")
        except OSError as error:
            return f"{self.log_path} cannot be read: {error.strerror}"
        return redacted(end, self._secrets)[-LOG_TAIL_CHARS:].strip()

    async def stop(self) -> None:
        """End the whole group: asked first, then killed."""
        try:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self.process.wait()
            except TimeoutError:
                pass
            self._signal(signal.SIGKILL)
            await self.process.wait()
        finally:
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.gather(self._reading, return_exceptions=True)
            self.log_the_rest()
            self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)
