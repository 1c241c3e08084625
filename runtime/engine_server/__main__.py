"""`python -m runtime.engine_server`: serves the embedded engines on loopback until SIGINT or SIGTERM.

One line on stdout says where, when they are warm. EARWITNESS_ENGINES_KEY, if set, is the key that clients must bring.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from runtime.engine_server.app import EngineServer
from runtime.engines.engine_set import Engines
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.engines.protocols import EngineError
from runtime.engines.scripted import ScriptedDialogue
from runtime.engines.silero import SileroDetection
from runtime.engines.sphinx import SphinxSpeechToText
from runtime.loopback import serving
from runtime.process import log_to_stderr, stop_signals

KEY_VARIABLE = "EARWITNESS_ENGINES_KEY"


async def serve(port: int, voice: str, token_interval_ms: float, key: str | None) -> None:
    """Raises EngineError, OSError (the port is taken)."""
    stop = stop_signals()
    llm = ScriptedDialogue(token_interval_ms)
    engines = Engines(SileroDetection(), SphinxSpeechToText(), llm, EspeakTextToSpeech(voice))
    try:
        await asyncio.gather(engines.stt.warm_up(), engines.tts.warm_up())
        async with serving(EngineServer(engines, key).app(), port, cancel_with_client=True) as url:
            print(f"Engines at {url}/v1   (Ctrl-C ends it)", flush=True)
            await stop.wait()
    finally:
        await engines.aclose()


def main() -> int:
    parser = argparse.ArgumentParser(prog="earwitness serve-engines", description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--voice", default="en-us", help="of espeak-ng")
    parser.add_argument("--token-interval-ms", type=float, default=4.0, help="between the tokens of a reply")
    asked = parser.parse_args()
    log_to_stderr()
    try:
        asyncio.run(serve(asked.port, asked.voice, asked.token_interval_ms, os.environ.get(KEY_VARIABLE)))
    except EngineError as error:
        print(f"serve-engines: an engine is not ready: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"serve-engines: port {asked.port} of 127.0.0.1: {error.strerror}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
