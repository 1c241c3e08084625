"""One life of the worker, seen from outside: its end is noticed whatever its engines do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import psutil
import pytest

from runtime.tts_server.crash_ring import RequestRing
from runtime.tts_server.worker_process import WorkerProcess, WorkerSetup

pytestmark = pytest.mark.usefixtures("no_process_left")

NOTICED_S = 10.0  # beside other work


async def test_a_worker_that_dies_while_its_engine_hangs_is_noticed_at_once() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        worker = await WorkerProcess.start(WorkerSetup(listening, "en-us", 1, RequestRing(), said.append))
        engines = psutil.Process(worker.pid).children()
        try:
            await worker.serve(0, None)
            for engine in engines:
                engine.suspend()  # it does not end with its stdin, and holds what it has of the worker's
            os.kill(worker.pid, signal.SIGKILL)
            async with asyncio.timeout(NOTICED_S):
                assert await worker.ended() == "signal SIGKILL"
        finally:
            await worker.stop()
            for engine in engines:
                engine.kill()
    assert engines
