"""`python -m runtime`: the reference agent as a process of its own. One JSON line on stdout says when it is ready.

With --page-port it also serves the product page and its tokens, and joins the rooms that the page asks for. Settings
come from the environment (see runtime.settings). SIGTERM and SIGINT leave every room in order; with --exit-with-
parent it also ends when its stdin closes, so that no orphan stays behind.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.app import AgentHost, control_app, ready_line, running_host, serving
from runtime.engines.protocols import EngineError
from runtime.settings import RuntimeSettings, SettingsError, load_settings
from runtime.token_server import TokenSettings, make_token_app, serve_token_app


async def _until(event: asyncio.Event) -> object:
    return await event.wait()


async def _parent_gone() -> object:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return await reader.read()


@asynccontextmanager
async def _page(
    settings: RuntimeSettings, host: AgentHost, port: int | None, library: Path | None
) -> AsyncIterator[str]:
    """The page's URL, or "" where none is asked for."""
    if port is None or library is None:
        yield ""
        return
    tokens = TokenSettings(settings.livekit_url, settings.api_key, settings.api_secret, library)
    async with serve_token_app(make_token_app(tokens, host.join), port) as url:
        yield url


async def serve(
    settings: RuntimeSettings, exit_with_parent: bool, page_port: int | None = None, library: Path | None = None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_host(settings) as host:
        async with (
            serving(control_app(host, settings.control_token), settings.port) as url,
            _page(settings, host, page_port, library) as page,
        ):
            print(ready_line(settings, url, page), flush=True)
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
    parser.add_argument(
        "--page-port", type=int, help="serve the product page on this port of 127.0.0.1 (0: a free one)"
    )
    parser.add_argument("--page-library", type=Path, help="folder that holds livekit-client.umd.js")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if (arguments.page_port is None) != (arguments.page_library is None):
        parser.error("--page-port and --page-library go together")
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"runtime: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(serve(settings, arguments.exit_with_parent, arguments.page_port, arguments.page_library))
    except SettingsError as error:
        print(f"runtime: {error}", file=sys.stderr)
        return 2
    except EngineError as error:
        print(f"runtime: an engine is not ready: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
