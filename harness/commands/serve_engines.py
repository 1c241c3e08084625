"""`earwitness serve-engines`: becomes `python -m runtime.engine_server`, the embedded engines behind OpenAI's interfaces."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def serve_engines_command(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8090,
    voice: Annotated[str, typer.Option(help="Voice of espeak-ng.")] = "en-us",
    token_interval_ms: Annotated[
        float, typer.Option(min=0, max=5_000, help="Time between the tokens of a reply.")
    ] = 4.0,
) -> None:
    """Serve the embedded engines over HTTP as OpenAI's API does, to try clients of it without a key, cloud or GPU.

    /v1/chat/completions, /v1/audio/speech, /v1/audio/transcriptions, /v1/models, /health; see docs/how_to/engines.md. If
    EARWITNESS_ENGINES_KEY is set, clients must bring that key. Ctrl-C ends it.
    """
    arguments = ["--port", str(port), "--voice", voice, "--token-interval-ms", str(token_interval_ms)]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "runtime.engine_server", *arguments])
