"""Owns the listening socket's workers: one serves, a spare waits ready and takes over when the first dies or goes silent.

The socket outlives them, so a client that comes between two workers waits in the backlog and the next one serves it. The
requests of a dead worker are lost; a crash dump names each.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from runtime.spare import Spare
from runtime.tts_server.backoff import Backoff
from runtime.tts_server.crash_ring import RequestRing
from runtime.tts_server.worker_process import NeverReadyError, WorkerProcess, WorkerSetup

log = logging.getLogger(__name__)


@dataclass
class Supervisor:
    """`dumps`: the folder of crash dumps."""

    listening: socket.socket
    voice: str
    concurrency: int
    dumps: Path
    spare: bool = True
    backoff: Backoff = field(default_factory=Backoff)
    ring: RequestRing = field(default_factory=RequestRing)
    restarts: int = 0
    last_exit: str | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`. Raises NeverReadyError if the first worker never gets ready."""
        keeping = asyncio.create_task(self._keep())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({keeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                await keeping
        finally:
            for task in (keeping, stopped):
                task.cancel()
            await asyncio.gather(keeping, stopped, return_exceptions=True)

    async def _keep(self) -> None:
        setup = WorkerSetup(self.listening, self.voice, self.concurrency, self.ring, _say)
        spare = Spare("TTS worker", lambda: WorkerProcess.start(setup), self.spare)
        try:
            while True:
                began_s = time.monotonic()
                try:
                    cause = await self._life(spare)
                except NeverReadyError as error:
                    if not self.ready.is_set():
                        raise
                    cause = f"{error}"
                    log.error("the worker did not start: %s", error)
                await asyncio.sleep(self.backoff.after(time.monotonic() - began_s))  # repeated deaths lengthen it
                self.restarts += 1
                self.last_exit = cause
        finally:
            await spare.close()

    async def _life(self, spare: Spare[WorkerProcess]) -> str:
        """Supervise one worker from its first answer to its end; return how it ended."""
        worker = await spare.take()
        try:
            await worker.serve(self.restarts, self.last_exit)
            self.ready.set()
            spare.prepare()
            cause = await worker.ended()
        finally:
            await worker.stop()
        log.error("%s", worker.leave_dump(self.dumps, cause))
        return cause


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
