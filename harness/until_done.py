"""Run a coroutine to its end in a loop of its own; SIGINT and SIGTERM cancel it once, so that it ends in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def until_done(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine gives. Raises what it raises."""

    async def main() -> Result:
        task = asyncio.ensure_future(coroutine)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    return asyncio.run(main())
