"""Run a coroutine to its end in a loop of its own; the first SIGINT or SIGTERM cancels it, so that it ends in order.

Further ones change nothing: what was recorded is being written, and agent, browser and server are being ended, each within
a limit of its own. To end at once, send SIGQUIT (Ctrl-\\).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

ENDING = "earwitness: ending; what was recorded is being kept. Ctrl-\\ ends at once, and loses it"


def until_done(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result. Raises what it raises."""

    async def main() -> Result:
        task = asyncio.ensure_future(coroutine)
        loop = asyncio.get_running_loop()
        asked = False

        def end() -> None:
            nonlocal asked
            if asked:
                print(ENDING, file=sys.stderr, flush=True)
                return
            asked = True
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        try:
            return await task
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    return asyncio.run(main())
