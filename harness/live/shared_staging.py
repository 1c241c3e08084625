"""One governor for the sessions of several processes: a server beside the governor, and clients that keep to it.

The server listens on a Unix socket in a folder only its owner can enter; a connection is a place. Lines of JSON:

    {"want": "run"}      → the description of the run; open as long as there is one
    {"want": "session"}  → {"may": "launch"}, later "measure" → {"may": "measure", "waited": …}, "leave", "underrun";
                           meanwhile {"launching": n} whenever the number of others that are launching changes
    {"want": "hearing"}  → {"may": "hear"}

Closing the connection, also by the process's end, gives the place back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import EarwitnessError, HarnessError
from harness.live.governor import Governor, Limits, Seat
from harness.model.side_by_side import SideBySide

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
RUN_TIMEOUT_S = 120.0  # the media server starts meanwhile
GRACE_S = 30.0  # beyond the governor's own limits, which end every wait
ENDED = "the process that holds the run together has ended"

Message = dict[str, Any]


@dataclass
class StagingServer:
    """Serves a governor. `open_run` gives it, and the run's description, when the first client asks."""

    open_run: Callable[[], Awaitable[tuple[Governor, Message]]]
    _opening: asyncio.Task[tuple[Governor, Message]] | None = None
    _seats: dict[asyncio.StreamWriter, Seat] = field(default_factory=dict)
    _last_sent: dict[asyncio.StreamWriter, int] = field(default_factory=dict)
    _serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Path]:
        """The socket's path."""
        with tempfile.TemporaryDirectory(prefix="earwitness-", dir="/tmp") as folder:  # a socket's path is short
            path = Path(folder) / "staging"
            server = await asyncio.start_unix_server(self._serve, path)
            try:
                yield path
            finally:
                server.close()
                tasks = [*self._serving.values(), *([self._opening] if self._opening is not None else [])]
                for writer in self._serving:
                    writer.close()  # its reader then comes to its end
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[writer] = task
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        work = asyncio.create_task(self._work(inbox, writer))
        work.add_done_callback(partial(_worked, writer))
        try:
            with contextlib.suppress(OSError):
                while line := await reader.readline():
                    inbox.put_nowait(json.loads(line))
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._serving[writer]

    async def _work(self, inbox: asyncio.Queue[Message], writer: asyncio.StreamWriter) -> None:
        wanted = (await inbox.get())["want"]
        self._opening = self._opening or asyncio.create_task(self._open())
        try:
            governor, about = await asyncio.shield(self._opening)
        except EarwitnessError as error:
            _send(writer, {"error": str(error)})
            return
        if wanted == "run":
            _send(writer, about)
        elif wanted == "hearing":
            async with governor.hearing():
                _send(writer, {"may": "hear"})
                await inbox.get()  # no more comes: the end of the connection cancels this
        else:
            await self._session(governor, inbox, writer)

    async def _open(self) -> tuple[Governor, Message]:
        governor, about = await self.open_run()
        governor.on_change = self._tell_of_launches
        return governor, about

    async def _session(self, governor: Governor, inbox: asyncio.Queue[Message], writer: asyncio.StreamWriter) -> None:
        async with governor.session() as seat:
            self._seats[writer] = seat
            try:
                _send(writer, {"may": "launch"})
                self._tell_of_launches()
                while True:
                    match (await inbox.get())["do"]:
                        case "measure":
                            _send(writer, {"may": "measure", "waited": await seat.measure()})
                        case "leave":
                            seat.leave()
                        case "underrun":
                            seat.underrun()
            finally:
                del self._seats[writer]
                self._last_sent.pop(writer, None)

    def _tell_of_launches(self) -> None:
        for writer, seat in self._seats.items():
            launching = seat.launching_beside
            if self._last_sent.get(writer, 0) != launching:
                self._last_sent[writer] = launching
                _send(writer, {"launching": launching})


def _send(writer: asyncio.StreamWriter, message: Message) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


def _worked(writer: asyncio.StreamWriter, work: asyncio.Task[None]) -> None:
    """Work that failed answers nobody any more: the client notices by the end of the connection."""
    error = work.exception() if not work.cancelled() else None
    if error is not None:
        log.error("a process of the run is not served any more", exc_info=error)
        writer.close()


@dataclass
class _Line:
    """A client's end of one connection."""

    writer: asyncio.StreamWriter
    answers: asyncio.Queue[Message | None] = field(default_factory=asyncio.Queue)
    launching_beside: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):  # a line that is not ours: no later one is understood
            while line := await reader.readline():
                message = json.loads(line)
                if "launching" in message:
                    self.launching_beside = message["launching"]
                else:
                    self.answers.put_nowait(message)
        self.lost.set()
        self.answers.put_nowait(None)

    async def answer(self, timeout_s: float) -> Message:
        """Raises HarnessError."""
        try:
            async with asyncio.timeout(timeout_s):
                message = await self.answers.get()
        except TimeoutError as error:
            raise HarnessError(f"no answer came within {timeout_s:.0f} s of the process that holds the run") from error
        if message is None:
            raise HarnessError(ENDED)
        if "error" in message:
            raise HarnessError(message["error"])
        return message

    # a Seat

    async def measure(self) -> bool:
        _send(self.writer, {"do": "measure"})
        return bool((await self.answer(Limits().ready_s + GRACE_S))["waited"])

    def leave(self) -> None:
        _send(self.writer, {"do": "leave"})

    def underrun(self) -> None:
        _send(self.writer, {"do": "underrun"})


@dataclass(frozen=True)
class SharedStaging:
    """The governor of another process; see `Staging`."""

    path: Path
    sessions: int  # of all processes; each one waits for those before it

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Seat]:
        async with _connected(self.path, "session") as line:
            limits = Limits()
            await line.answer(self.sessions * (limits.launch_s + limits.busy_s) + GRACE_S)
            yield line

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        async with _connected(self.path, "hearing") as line:
            await line.answer(self.sessions * Limits().hear_s + GRACE_S)
            yield

    def record(self) -> SideBySide | None:
        return None


@asynccontextmanager
async def run_of_server(path: Path) -> AsyncIterator[tuple[Message, asyncio.Event]]:
    """The server's description of the run, and an event that its end sets. Raises HarnessError."""
    async with _connected(path, "run") as line:
        yield await line.answer(RUN_TIMEOUT_S), line.lost


@asynccontextmanager
async def _connected(path: Path, want: str) -> AsyncIterator[_Line]:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
    except (OSError, TimeoutError) as error:
        raise HarnessError(ENDED) from error
    line = _Line(writer)
    listening = asyncio.create_task(line.listen(reader))
    try:
        _send(writer, {"want": want})
        yield line
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
