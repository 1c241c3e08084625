"""One life of the worker, seen by its supervisor: made ready, told to serve, monitored, ended.

A ready worker has warm engines and finished imports, and answers nobody: so a spare can wait on the listening socket of the
worker in service and take over at once. It serves the clients in the socket's backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.tts_server.crash_ring import RequestRing, write_dump

SILENT_TIMEOUT_S = 15.0  # a worker without a heartbeat for this long hangs
READY_TIMEOUT_S = 60.0  # an engine loads on a busy machine
STOP_TIMEOUT_S = 8.0
LAST_WORDS_S = 0.5  # wait for its log after its end; an orphaned engine could write there forever
LOG_LINES = 40
LINE_BYTES = 2**20


class NeverReadyError(Exception):
    """The worker ended before it was ready; the message has its end and its last line."""


@dataclass(frozen=True)
class WorkerSetup:
    """The settings of every worker. `env` is added to our environment; `say` gets each line that a worker logs."""

    listening: socket.socket
    voice: str
    concurrency: int
    ring: RequestRing
    say: Callable[[str], None]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _LogPipe:
    """The stderr of the worker and its engines. Our own pipe: with asyncio's, `Process.wait` waits for all its holders and
    misses the death of a worker whose engine hangs.
    """

    lines: asyncio.StreamReader
    writing: int  # the process's end; our copy is closed once the process has it
    _transport: asyncio.ReadTransport

    @classmethod
    async def open(cls) -> _LogPipe:
        reading, writing = os.pipe()
        lines = asyncio.StreamReader(limit=LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(reading, "rb")
        )
        return cls(lines, writing, transport)

    def close(self) -> None:
        self._transport.close()


@dataclass
class WorkerProcess:
    setup: WorkerSetup
    process: asyncio.subprocess.Process
    log: _LogPipe
    began_s: float = field(default_factory=time.monotonic)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _serving: asyncio.Event = field(default_factory=asyncio.Event)
    _life: asyncio.Task[str] = field(init=False)
    _log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

    def __post_init__(self) -> None:
        self._life = asyncio.create_task(self._live(), name="tts worker")

    @classmethod
    async def start(cls, setup: WorkerSetup) -> WorkerProcess:
        """Start a worker and wait until it is ready. Raises NeverReadyError; a cancel ends the worker."""
        fd = setup.listening.fileno()
        options = ("--fd", f"{fd}", "--voice", setup.voice, "--concurrency", f"{setup.concurrency}")
        log = await _LogPipe.open()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "runtime.tts_server.worker", *options, pass_fds=[fd], limit=LINE_BYTES,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log.writing,
                env={**os.environ, **setup.env}, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            log.close()
            raise
        finally:
            os.close(log.writing)
        worker = cls(setup, process, log)
        try:
            await worker._until(worker._ready)
        except BaseException:
            await worker.stop()
            raise
        return worker

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return not self._life.done()

    async def serve(self, restarts: int, last_exit: str | None) -> None:
        """Let the worker answer; its health reports earlier workers' ends. Raises NeverReadyError."""
        assert self.process.stdin is not None
        lives = {"restarts": restarts, "last_exit": last_exit}
        self.process.stdin.write(json.dumps({"serve": lives}).encode() + b"\n")
        await self._until(self._serving)

    async def ended(self) -> str:
        """Wait for its end; return a signal, an exit status, or why it counted as hanging."""
        return await asyncio.shield(self._life)

    async def stop(self) -> None:
        """Close its stdin, then kill it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.ended()
        except TimeoutError:
            pass
        finally:
            self._kill()
            await asyncio.wait({self._life})

    def leave_dump(self, folder: Path, cause: str) -> str:
        """Dump its last requests, to find the cause of its death; return a line for the log."""
        lived_s = time.monotonic() - self.began_s
        about: dict[str, Any] = {
            "at": time.time(),
            "cause": cause,
            "lived_s": round(lived_s, 3),
            "log": list(self._log),
        }
        try:
            where = f"its last requests: {write_dump(folder, about, self.setup.ring)}"
        except OSError as error:
            where = f"no dump: {error}"
        self.setup.ring.worker_died()
        return f"the worker died after {lived_s:.1f} s ({cause}); {where}"

    async def _until(self, event: asyncio.Event) -> None:
        happening = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({self._life, happening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            happening.cancel()
            await asyncio.gather(happening, return_exceptions=True)
        if not event.is_set():
            raise NeverReadyError(f"{self._life.result()}: {self._log[-1] if self._log else 'it said nothing'}")

    async def _live(self) -> str:
        reading_log = asyncio.create_task(self._keep_log())
        try:
            silent = await self._hear()
            if silent:
                self._kill()
            code = await self.process.wait()
        finally:
            self._kill()
            await asyncio.gather(self.process.wait(), return_exceptions=True)
            await asyncio.wait({reading_log}, timeout=LAST_WORDS_S)
            reading_log.cancel()
            await asyncio.gather(reading_log, return_exceptions=True)
            self.log.close()
        return silent or (f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}")

    async def _hear(self) -> str:
        """Read its reports to their end; return why it counts as hanging, or ""."""
        assert self.process.stdout is not None
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while True:
            ready = self._ready.is_set()
            try:
                async with asyncio.timeout(SILENT_TIMEOUT_S if ready else deadline_s - time.monotonic()):
                    line = await self.process.stdout.readline()
            except TimeoutError:
                return f"no sign of life for {SILENT_TIMEOUT_S:g} s" if ready else f"not ready in {READY_TIMEOUT_S:g} s"
            if not line:
                return ""
            record = json.loads(line)
            if "ready" in record:
                self._ready.set()
            elif "serving" in record:
                self._serving.set()
            elif "id" in record:
                self.setup.ring.note(record)

    async def _keep_log(self) -> None:
        async for line in self.log.lines:
            text = line.decode(errors="replace").rstrip()
            self._log.append(text)
            self.setup.say(text)

    def _kill(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
