"""The TTS server as a part of the product: its worker under our supervision, with a spare that waits ready.

The supervisor holds the socket, so the next worker answers requests that come after a worker's death. A dead worker's
streams are cut; the agent notices at once and speaks the text again with its reserve voice.
"""

from __future__ import annotations

import logging
from pathlib import Path

from harness.errors import HarnessError
from harness.service.sockets import listen, url_of
from harness.service.spared_part import SparedPart
from harness.service.state import log_path
from runtime.tts_server.crash_ring import RequestRing
from runtime.tts_server.worker_process import NeverReadyError, WorkerProcess, WorkerSetup

log = logging.getLogger(__name__)

DUMPS_FOLDER = "tts_crashes"
CONCURRENCY = 2  # one speaks; the other takes the next segment while the first warms up after a cancel


class TtsServerPart(SparedPart[WorkerProcess]):
    """`env`: its workers' variables beside our environment, the key among them. `url` is known from the beginning."""

    def __init__(self, folder: Path, env: dict[str, str], voice: str, *, spare: bool = True) -> None:
        super().__init__("tts-server", spare=spare)
        self.folder = folder
        self._listening = listen(0, "--tts embedded")
        self.url = url_of(self._listening)
        self._setup = WorkerSetup(self._listening, voice, CONCURRENCY, RequestRing(), self._log_line, env)
        self._starts = 0
        self._last_exit: str | None = None

    async def make(self) -> WorkerProcess:
        return await WorkerProcess.start(self._setup)

    async def serve(self, worker: WorkerProcess) -> None:
        await worker.serve(self._starts, self._last_exit)
        self._starts += 1

    async def start(self) -> None:
        try:
            await super().start()
        except NeverReadyError as error:
            raise HarnessError(f"{self.name} ended before it served: {error}") from error

    async def ended(self) -> str:
        assert self._in_service is not None
        self._last_exit = await super().ended()
        log.error("%s: %s", self.name, self._in_service.leave_dump(self.folder / DUMPS_FOLDER, self._last_exit))
        return self._last_exit

    async def close(self) -> None:
        await super().close()
        self._listening.close()

    def _log_line(self, line: str) -> None:
        with log_path(self.folder, self.name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
