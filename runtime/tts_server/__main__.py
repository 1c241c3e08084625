"""`python -m runtime.tts_server`: a TTS server on loopback until SIGINT or SIGTERM.

One line on stdout says where, when it is ready. EARWITNESS_TTS_KEY, if set, is the key that clients must bring.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from pathlib import Path

from runtime.process import log_to_stderr, stop_signals
from runtime.tts_server.supervisor import Supervisor
from runtime.tts_server.voices import MOST_AT_ONCE
from runtime.tts_server.worker_process import NeverReadyError


async def serve(port: int, voice: str, concurrency: int, dumps: Path, spare: bool, exit_with_parent: bool) -> None:
    """Raises NeverReadyError, OSError (the port is taken)."""
    stop = stop_signals()
    if exit_with_parent:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    with socket.create_server(("127.0.0.1", port)) as listening:
        supervisor = Supervisor(listening, voice, concurrency, dumps, spare)
        running = asyncio.create_task(supervisor.run(stop))
        ready = asyncio.create_task(supervisor.ready.wait())
        try:
            await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                print(f"TTS at http://127.0.0.1:{listening.getsockname()[1]}   (Ctrl-C ends it)", flush=True)
            await running
        finally:
            stop.set()
            ready.cancel()
            await asyncio.gather(running, ready, return_exceptions=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="earwitness serve-tts", description=__doc__)
    parser.add_argument("--port", type=int, default=8091, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--voice", default="en-us", help="of espeak-ng, or joe: the neural one")
    parser.add_argument("--concurrency", type=int, default=2, choices=range(1, MOST_AT_ONCE + 1))
    parser.add_argument("--crash-dumps", type=Path, default=Path("runs/tts_crashes"))
    parser.add_argument("--no-spare", action="store_true", help="no second worker that waits ready")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin closes")
    asked = parser.parse_args()
    log_to_stderr()
    try:
        served = serve(
            asked.port, asked.voice, asked.concurrency, asked.crash_dumps, not asked.no_spare, asked.exit_with_parent
        )
        asyncio.run(served)
    except NeverReadyError as error:
        print(f"serve-tts: the worker did not start: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"serve-tts: port {asked.port} of 127.0.0.1: {error.strerror}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
