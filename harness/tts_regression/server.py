"""The embedded engine for a run: our own TTS server as a process of its own, gone with the run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.processes.child import Process

READY_TIMEOUT_S = 60.0  # an engine loads, on a busy machine


@asynccontextmanager
async def tts_server(
    folder: Path, voice: str = "en-us", concurrency: int = 1, *, spare: bool = False
) -> AsyncIterator[str]:
    """Its base URL; log and crash dumps go into `folder`. Raises HarnessError if it does not come up.

    No `spare` where times are measured: making it ready takes a core for a second.
    """
    options = ["--port", "0", "--voice", voice, "--concurrency", str(concurrency), "--exit-with-parent"]
    options += [] if spare else ["--no-spare"]
    argv = [sys.executable, "-P", "-m", "runtime.tts_server", *options, "--crash-dumps", str(folder / "crashes")]
    running = await Process.start(argv, {}, folder / "tts_server.log", pipe=True)
    try:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = (await running.next_line()).decode()
        except TimeoutError as error:
            raise HarnessError(
                f"the TTS server was not ready within {READY_TIMEOUT_S:.0f} s: {running.log_tail()}"
            ) from error
        if not line:
            raise HarnessError(f"the TTS server did not start: {running.log_tail()}")
        running.log_the_rest()
        yield line.split()[2]
    finally:
        await running.stop()
