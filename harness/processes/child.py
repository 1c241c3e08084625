"""A child process: its output is read, its last words are kept for the error, it ends with all that it started.

It is in a process group of its own, so that Ctrl-C is for us alone. Its stdout is read whether or not somebody waits for it, so
that it can always write. It has ended when the kernel says so, even if a process that it left behind holds its pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import IO, Any, cast

from harness.errors import HarnessError
from harness.model.redaction import redacted
from harness.processes.hears import Hears
from harness.processes.said import Answers, Lines
from harness.processes.spec import CLOSED_STDIN, STOP_TIMEOUT_S, ChildSpec
from harness.processes.tied import Tie

PROGRAM_TIMEOUT_S = 20.0  # until the kernel has tied it and it has become the program (see `tied`)
KILLED_TIMEOUT_S = 5.0  # a process that survives the kill is not ours, or hangs in the kernel
LOG_TAIL_CHARS = 800
LONGEST_SECRET_BYTES = 4_096  # read ahead of the tail, so that no secret begins before it


class NoAnswerError(HarnessError):
    """The child ended or gave no answer within the limit. With its last words."""

    def __init__(self, name: str, what: str, last_words: str) -> None:
        super().__init__(f"{name} {what}")
        self.what = what
        self.last_words = last_words


class Child:
    """See `Child.start` and `running`. Everything about it that does not change is in `spec`."""

    def __init__(self, spec: ChildSpec, log: IO[bytes] | None) -> None:
        self.spec = spec
        self._log = log
        self._log_began = log.tell() if log is not None else 0  # an earlier child wrote what stands before
        self._hears = Hears(Answers() if spec.stdout == "answers" else Lines(spec.awaited, self._note))
        self._transport: asyncio.SubprocessTransport | None = None
        self._is_stopped = False
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def start(cls, spec: ChildSpec) -> Child:
        """Raises HarnessError if it cannot be started or its log not be written; a cancellation ends it."""
        child = cls(spec, _open_log(spec))
        try:
            await child._start()
        except OSError as error:  # a TimeoutError too
            await child.stop()
            raise HarnessError(f"{spec.name} cannot be started: {error.strerror or error}") from error
        except BaseException:
            await child.stop()
            raise
        return child

    async def _start(self) -> None:
        spec = self.spec
        env = {name: value for name, value in os.environ.items() if name not in spec.hidden} | dict(spec.env)
        with contextlib.ExitStack() as stack:
            tie = stack.enter_context(Tie(spec.argv)) if spec.foreign and Tie.IS_POSSIBLE else None
            self._transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self._hears,
                *(tie.argv if tie is not None else spec.argv),
                stdin=asyncio.subprocess.PIPE,
                stdout=self._log if spec.stdout == "log" and self._log is not None else asyncio.subprocess.PIPE,
                stderr=self._log if self._log is not None else asyncio.subprocess.PIPE,
                env=env,
                start_new_session=spec.own_session,
                process_group=None if spec.own_session else 0,
                pass_fds=(*spec.pass_fds, tie.fd) if tie is not None else spec.pass_fds,
            )
            if tie is not None:
                tie.started()
                await _readable(tie.outcome_fd)
                tie.outcome()

    @property
    def pid(self) -> int:
        assert self._transport is not None
        return self._transport.get_pid()

    @property
    def code(self) -> int | None:
        """Its exit status, −n for signal n; None while it lives."""
        return self._transport.get_returncode() if self._transport is not None else None

    @property
    def is_alive(self) -> bool:
        return self.code is None and not _has_ended(self.pid)

    async def ended(self) -> int:
        """Wait for its exit status, whoever ends it."""
        await self._hears.exited.wait()
        code = self.code
        assert code is not None
        return code

    def end_in_words(self) -> str:
        code = self.code
        if code is None:
            return "closed its output"
        return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"

    # what it says

    async def next_line(self) -> bytes:
        """The next line of its stdout; empty at the end."""
        return await self._next(lambda: self._hears.said.take_line(over=self._hears.over.is_set()))

    async def _next(self, take: Callable[[], bytes]) -> bytes:
        while True:
            self._hears.more.clear()
            taken = take()
            if taken or self._hears.over.is_set():
                return taken
            await self._hears.more.wait()

    def log_the_rest(self) -> None:
        """Log its further lines: nobody waits for them."""
        self._hears.said.let_go()

    async def ready_line(self, timeout_s: float) -> bytes:
        """The next line that is for us. Raises HarnessError with its last words if it ends instead, or takes too long."""
        name = self.spec.name
        try:
            async with asyncio.timeout(timeout_s):
                line = await self.next_line()
        except TimeoutError as error:
            raise HarnessError(f"{name} was not ready within {timeout_s:g} s{self._see_log()}") from error
        if not line:
            await self._soon_gone()
            raise HarnessError(f"{name} ended before it was ready: {self.log_tail() or self.end_in_words()}")
        return line

    async def ready(self, timeout_s: float) -> dict[str, Any]:
        """`ready_line`, which is a JSON object. Raises HarnessError."""
        line = await self.ready_line(timeout_s)
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError) as error:
            wrong = f"{self.spec.name} said something else than that it is ready"
            raise HarnessError(f"{wrong}{self._see_log()}") from error

    def say(self, line: bytes) -> None:
        """Write to its stdin, unless it has ended."""
        stdin = self._stdin()
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def ask(self, question: bytes, timeout_s: float) -> bytes:
        """The line that answers `question`; one question at a time. Raises NoAnswerError."""
        async with self._one_at_a_time:
            self.say(question)
            return await self.answer(timeout_s)

    async def answer(self, timeout_s: float) -> bytes:
        """The line that answers a question or its start. Raises NoAnswerError."""
        return await self._in_time(self.next_line(), timeout_s)

    async def more_of_answer(self, n_bytes: int, timeout_s: float) -> bytes:
        """The bytes after the answer's line. Raises NoAnswerError."""
        said = self._hears.said
        assert isinstance(said, Answers)
        return await self._in_time(self._next(lambda: said.take_bytes(n_bytes)), timeout_s) if n_bytes else b""

    async def _in_time(self, answer: Coroutine[Any, Any, bytes], timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                said = await answer
        except TimeoutError as error:
            raise NoAnswerError(self.spec.name, f"gave no answer within {timeout_s:g} s", self.log_tail()) from error
        if not said:
            await self._soon_gone()
            raise NoAnswerError(self.spec.name, self.end_in_words(), self.log_tail())
        return said

    def log_tail(self) -> str:
        """Its last words, without secrets."""
        path = self.spec.log_path
        if path is None:
            end = bytes(self._hears.words)
        else:
            try:
                with path.open("rb") as log:
                    size = log.seek(0, os.SEEK_END)
                    log.seek(max(self._log_began, size - LOG_TAIL_CHARS - LONGEST_SECRET_BYTES))
                    end = log.read()
            except OSError as error:
                return f"{path} cannot be read: {error.strerror}"
        return redacted(end.decode(errors="replace"), self.spec.secrets)[-LOG_TAIL_CHARS:].strip()

    def _see_log(self) -> str:
        tail = self.log_tail()
        where = f", see {self.spec.log_path}" if self.spec.log_path is not None else ""
        return f"{where}: {tail}" if tail else where

    def _note(self, data: bytes) -> None:
        if self._log is not None and not self._log.closed:
            with contextlib.suppress(
                OSError
            ):  # a full disk costs the line, and not the process that waits to write more
                self._log.write(data)

    # its end

    async def stop(self) -> None:
        """Ask it to end by its spec, then kill its whole group. It may be called again."""
        if self._transport is not None and not self._is_stopped:
            try:
                await self._ask_to_end()
            finally:
                await self._kill(self._transport)
            self._is_stopped = True
        self.log_the_rest()
        if self._log is not None:
            self._log.close()

    async def _ask_to_end(self) -> None:
        for number, patience_s in self.spec.ending:
            if self._hears.exited.is_set():
                return
            stdin = self._stdin()
            if number is not CLOSED_STDIN:
                self._signal(number)
            elif stdin is not None:
                stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._hears.exited.wait()

    async def _kill(self, transport: asyncio.SubprocessTransport) -> None:
        """Kill whatever is left. A process that is not ours to kill (a program that took other rights) loses its pipes."""
        self._signal(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILLED_TIMEOUT_S):
                await self._hears.exited.wait()
                await self._hears.over.wait()
        stdin = self._stdin()
        if stdin is not None:
            stdin.abort()  # drops what it did not read
        with contextlib.suppress(PermissionError):
            transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILLED_TIMEOUT_S):
                await self._hears.closed.wait()

    async def _soon_gone(self) -> None:
        """Wait: it closed its output, so it ends soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._hears.exited.wait()

    def _stdin(self) -> asyncio.WriteTransport | None:
        """None when nobody reads it any more."""
        if self._transport is None or 0 not in self._hears.open:
            return None
        return cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _has_ended(pid: int) -> bool:
    """Asks the kernel, and leaves the status to the event loop, which may not have come to it yet."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


async def _readable(fd: int) -> None:
    """Raises TimeoutError."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        async with asyncio.timeout(PROGRAM_TIMEOUT_S):
            await readable.wait()
    except TimeoutError as error:
        raise TimeoutError(f"no word of it within {PROGRAM_TIMEOUT_S:g} s") from error
    finally:
        loop.remove_reader(fd)


def _open_log(spec: ChildSpec) -> IO[bytes] | None:
    """Raises HarnessError."""
    if spec.log_path is None:
        return None
    try:
        spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        return spec.log_path.open("ab", buffering=0)
    except OSError as error:
        raise HarnessError(f"{spec.name} cannot write {spec.log_path}: {error.strerror}") from error


@asynccontextmanager
async def running(spec: ChildSpec) -> AsyncIterator[Child]:
    """A child that is stopped at the end. Raises HarnessError if it cannot be started."""
    child = await Child.start(spec)
    try:
        yield child
    finally:
        await child.stop()
