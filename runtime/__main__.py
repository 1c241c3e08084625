"""`python -m runtime`: the reference agent as a process of its own. One JSON line on stdout says when it is ready.

Settings come from the environment (see runtime.settings). SIGTERM and SIGINT leave every room in order; with --exit-with-
parent it also ends when its stdin closes, so that no orphan stays behind. The page is a process of its own
(runtime.page_process).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from runtime.app import control_app, ready_line, running_host, serving
from runtime.engines.protocols import EngineError
from runtime.settings import RuntimeSettings, SettingsError, load_settings


async def _until(event: asyncio.Event) -> object:
    return await event.wait()


async def _parent_gone() -> object:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return await reader.read()


async def serve(settings: RuntimeSettings, exit_with_parent: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_host(settings) as host:
        async with serving(control_app(host, settings.control_token), settings.port) as url:
            print(ready_line(settings, url), flush=True)
            waits: list[asyncio.Task[object]] = [asyncio.create_task(_until(stop))]
            if exit_with_parent:
                waits.append(asyncio.create_task(_parent_gone()))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin closes")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"runtime: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(settings, arguments.exit_with_parent))
    except SettingsError as error:
        print(f"runtime: {error}", file=sys.stderr)
        return 2
    except EngineError as error:
        print(f"runtime: an engine is not ready: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
