"""`earwitness serve-tts`: becomes `python -m runtime.tts_server`, text to speech by the embedded engine over HTTP."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def serve_tts_command(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8091,
    voice: Annotated[str, typer.Option(help="Voice of espeak-ng, or joe: Piper's neural one.")] = "en-us",
    concurrency: Annotated[int, typer.Option(min=1, max=4, help="How many requests are spoken at once.")] = 2,
    crash_dumps: Annotated[
        Path, typer.Option(help="Folder in which a worker that died leaves its last requests.")
    ] = Path("runs/tts_crashes"),
    spare: Annotated[
        bool, typer.Option(help="Keep a second worker ready, which takes over at once if the first dies.")
    ] = True,
) -> None:
    """Serve text to speech: POST /tts/stream, POST /tts/cancel, GET /health; see docs/how_to/tts.md.

    A supervisor restarts the worker that speaks when it died or hangs. If EARWITNESS_TTS_KEY is set, clients must bring that
    key. Ctrl-C ends it.
    """
    arguments = ["--port", str(port), "--voice", voice, "--concurrency", str(concurrency)]
    arguments += ["--crash-dumps", str(crash_dumps), *([] if spare else ["--no-spare"])]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "runtime.tts_server", *arguments])
