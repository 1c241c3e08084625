"""The TTS server as a part of the product: its worker under our own supervision, with a second one that waits ready.

The socket is ours and stays when the worker dies: who asks meanwhile is answered by the next one. What the dead one had in
hand is cut, which the agent hears at once and says anew by the voice it has in reserve.
"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.product.sockets import listen, url_of
from harness.product.state import log_path
from runtime.spare import Spare
from runtime.tts_server.crash_ring import RequestRing
from runtime.tts_server.worker_process import NeverReadyError, WorkerProcess, WorkerSetup

log = logging.getLogger(__name__)

DUMPS_FOLDER = "tts_crashes"
CONCURRENCY = 2  # one that speaks, one for the next segment while the first is warmed up after a cancel


@dataclass
class TtsServerPart:
    """`env`: what its workers are told beside our own environment, the key among it. `url` is known from the beginning."""

    folder: Path
    env: dict[str, str]
    voice: str
    spare: bool = True
    name: str = "tts-server"
    url: str = field(init=False)
    _listening: socket.socket = field(init=False)
    _spare: Spare[WorkerProcess] = field(init=False)
    _ring: RequestRing = field(default_factory=RequestRing)
    _worker: WorkerProcess | None = None
    _starts: int = 0
    _last_exit: str | None = None

    def __post_init__(self) -> None:
        self._listening = listen(0, "--tts embedded")
        self.url = url_of(self._listening)
        setup = WorkerSetup(self._listening, self.voice, CONCURRENCY, self._ring, self._log_line, self.env)
        self._spare = Spare(self.name, lambda: WorkerProcess.start(setup), self.spare)

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker is not None else None

    async def start(self) -> None:
        try:
            self._worker = await self._spare.take()
            await self._worker.serve(self._starts, self._last_exit)
        except NeverReadyError as error:
            raise HarnessError(f"{self.name} ended before it served: {error}") from error
        self._starts += 1

    def settled(self) -> None:
        self._spare.prepare()

    async def ended(self) -> str:
        assert self._worker is not None
        self._last_exit = await self._worker.ended()
        log.error("%s: %s", self.name, self._worker.leave_dump(self.folder / DUMPS_FOLDER, self._last_exit))
        return self._last_exit

    async def stop(self) -> None:
        """The worker in service; `close` ends the spare too."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    async def close(self) -> None:
        await self._spare.close()
        await self.stop()
        self._listening.close()

    def _log_line(self, line: str) -> None:
        with log_path(self.folder, self.name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
