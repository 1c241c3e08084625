"""Owns the listening socket and the worker: starts it, hears what it tells, and starts it again when it died or went silent.

The socket outlives the worker, so a client that comes between two workers waits in the backlog and is served by the next one.
What the worker had in hand is lost; each such request is named in a crash dump.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.tts_server.backoff import Backoff
from runtime.tts_server.crash_ring import RequestRing, write_dump

log = logging.getLogger(__name__)

SILENT_TIMEOUT_S = 15.0  # without a heartbeat: it hangs
READY_TIMEOUT_S = 60.0  # an engine loads, on a busy machine
STOP_TIMEOUT_S = 8.0
LOG_LINES = 40
LINE_BYTES = 2**20


class NeverReadyError(Exception):
    """The first worker ended before it was ready: starting it again would not help."""


@dataclass
class Supervisor:
    """`dumps`: the folder of crash dumps."""

    listening: socket.socket
    voice: str
    concurrency: int
    dumps: Path
    backoff: Backoff = field(default_factory=Backoff)
    ring: RequestRing = field(default_factory=RequestRing)
    restarts: int = 0
    last_exit: str | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises NeverReadyError."""
        while True:
            began_s = time.monotonic()
            self._log.clear()
            cause = await self._life(stop)
            if stop.is_set():
                return
            if not self.ready.is_set():
                raise NeverReadyError(f"{cause}: {self._log[-1] if self._log else 'it said nothing'}")
            self._died(cause, time.monotonic() - began_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.backoff.after(time.monotonic() - began_s)):
                    await stop.wait()
                    return
            self.restarts += 1
            self.last_exit = cause

    async def _life(self, stop: asyncio.Event) -> str:
        """One worker from start to end; how it ended."""
        fd = self.listening.fileno()
        lives = json.dumps({"restarts": self.restarts, "last_exit": self.last_exit})
        options = ("--fd", f"{fd}", "--voice", self.voice, "--concurrency", f"{self.concurrency}", "--lives", lives)
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime.tts_server.worker", *options, pass_fds=[fd], limit=LINE_BYTES,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        stopping = asyncio.create_task(self._stop_when(stop, worker))
        reading_log = asyncio.create_task(self._keep_log(worker))
        try:
            silent = await self._hear(worker)
            if silent:
                _kill(worker)
            code = await worker.wait()
        finally:
            stopping.cancel()
            _kill(worker)
            await asyncio.gather(stopping, reading_log, worker.wait(), return_exceptions=True)
        return silent or (f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}")

    async def _hear(self, worker: asyncio.subprocess.Process) -> str:
        """Until it says no more; why it is taken for hanging, or ""."""
        assert worker.stdout is not None
        ready, deadline_s = False, time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                async with asyncio.timeout(SILENT_TIMEOUT_S if ready else deadline_s - time.monotonic()):
                    line = await worker.stdout.readline()
            except TimeoutError:
                return f"no sign of life for {SILENT_TIMEOUT_S:g} s" if ready else f"not ready in {READY_TIMEOUT_S:g} s"
            if not line:
                return ""
            told = json.loads(line)
            if "ready" in told:
                ready = True
                self.ready.set()
            elif "id" in told:
                self.ring.note(told)

    async def _keep_log(self, worker: asyncio.subprocess.Process) -> None:
        assert worker.stderr is not None
        async for line in worker.stderr:
            text = line.decode(errors="replace").rstrip()
            self._log.append(text)
            print(text, file=sys.stderr, flush=True)

    async def _stop_when(self, stop: asyncio.Event, worker: asyncio.subprocess.Process) -> None:
        await stop.wait()
        assert worker.stdin is not None
        worker.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await worker.wait()
        _kill(worker)

    def _died(self, cause: str, lived_s: float) -> None:
        about: dict[str, Any] = {
            "at": time.time(),
            "cause": cause,
            "lived_s": round(lived_s, 3),
            "log": list(self._log),
        }
        try:
            path = write_dump(self.dumps, about, self.ring)
            log.error("the worker died after %.1f s (%s); its last requests: %s", lived_s, cause, path)
        except OSError as error:
            log.error("the worker died after %.1f s (%s); no dump: %s", lived_s, cause, error)
        self.ring.worker_died()


def _kill(worker: asyncio.subprocess.Process) -> None:
    if worker.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
