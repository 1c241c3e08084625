"""The embedded engine for a run: our own TTS server as a process of its own, gone with the run."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from harness.processes.child import running
from harness.processes.spec import ChildSpec

READY_TIMEOUT_S = 60.0  # an engine loads, on a busy machine
READY_WORDS = b"TTS at "  # its address follows


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
    log = folder / "tts_server.log"
    async with running(ChildSpec("the TTS server", argv, log, stdout="lines", awaited=READY_WORDS)) as child:
        line = await child.ready_line(READY_TIMEOUT_S)
        child.log_the_rest()
        yield line.decode().split()[2]
