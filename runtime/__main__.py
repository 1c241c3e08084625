"""`python -m runtime`: the reference agent as a process of its own. One JSON line on stdout says when it is ready.

Settings come from the environment (see runtime.settings). SIGTERM and SIGINT leave every room in order; with --exit-with-
parent it also ends when its stdin closes, so that no orphan stays behind. The page is a process of its own
(runtime.page.page_process).
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from runtime.app import control_app, ready_line, running_host
from runtime.engines.protocols import EngineError
from runtime.loopback import serving
from runtime.process import log_to_stderr, stop_signals, until_stopped
from runtime.settings import RuntimeSettings, SettingsError, load_settings


async def serve(settings: RuntimeSettings, exit_with_parent: bool) -> None:
    stop = stop_signals()
    async with running_host(settings) as host:
        async with serving(control_app(host, settings.control_token), settings.port) as url:
            print(ready_line(settings, url), flush=True)
            await until_stopped(stop, exit_with_parent=exit_with_parent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime", description=__doc__)
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin closes")
    arguments = parser.parse_args()
    log_to_stderr()
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
