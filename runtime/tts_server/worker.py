"""`python -m runtime.tts_server.worker`: the process that speaks. Started by its supervisor alone, on a socket it was given.

Tells the supervisor on stdout, a line of JSON each: `ready`, a heartbeat, `serving`, every step of every request. It answers
nobody before it is told to by a line on stdin, {"serve": {what is known of earlier workers}}, and ends when stdin closes, so that
it never outlives its supervisor.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import os
import socket
import sys
from typing import Any

from aiohttp import web

from runtime.engines.protocols import EngineError
from runtime.engines.voice_by_name import identity, voice_by_name
from runtime.process import lines_of_parent, log_to_stderr
from runtime.settings import TTS_KEY_VARIABLE
from runtime.tts_server.app import Speaks, TtsServer
from runtime.tts_server.voices import Voices

HEARTBEAT_S = 1.0
EXIT_NOT_READY = 3


def tell(message: dict[str, Any]) -> None:
    """Write one line at once; the supervisor reads until this process ends."""
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def serve(listening: socket.socket, voice: str, concurrency: int) -> None:
    """Raises EngineError."""
    lines = lines_of_parent()
    voices = Voices([voice_by_name(voice) for _ in range(concurrency)])
    engine, version, parameters = identity(voice)
    speaks = Speaks(engine, version, voice, voices.rate_hz, parameters)
    server = TtsServer(voices, speaks, tell, os.environ.get(TTS_KEY_VARIABLE))
    runner = web.AppRunner(server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=2.0)
    beating = asyncio.create_task(_beat())
    try:
        await voices.warm_up()
        await runner.setup()
        tell({"ready": True})
        if line := await lines.get():
            server.lives = json.loads(line)["serve"]
            await web.SockSite(runner, listening).start()
            tell({"serving": True})
            while await lines.get():
                pass
    finally:
        beating.cancel()
        await runner.cleanup()
        await server.aclose()


async def _beat() -> None:
    """Send heartbeats from the event loop: a worker that hangs goes silent."""
    while True:
        tell({"beat": True})
        await asyncio.sleep(HEARTBEAT_S)  # the period of a heartbeat, not a wait for anything


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime.tts_server.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--voice", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    asked = parser.parse_args()
    faulthandler.enable()  # a segfault leaves its traceback in the dump
    log_to_stderr()
    try:
        asyncio.run(serve(socket.socket(fileno=asked.fd), asked.voice, asked.concurrency))
    except EngineError as error:
        print(f"serve-tts: the engine is not ready: {error}", file=sys.stderr)
        return EXIT_NOT_READY
    return 0


if __name__ == "__main__":
    sys.exit(main())
