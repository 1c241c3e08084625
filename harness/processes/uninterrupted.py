"""Work that a cancellation does not break off: it is waited for, and then the cancellation goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")

log = logging.getLogger(__name__)


async def to_its_end(work: Awaitable[Result]) -> Result:
    """The result of `work`. Raises what it raises; CancelledError after the work's end, if cancelled meanwhile.

    For work in a thread, which no cancellation ends: a caller that does not wait sees it half done.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and task.exception() is not None:
        log.error("work that was waited for after a cancellation failed", exc_info=task.exception())
    raise cancelled
