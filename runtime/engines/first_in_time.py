"""A limit on how long the first result may take, for callers with another engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from runtime.engines.protocols import EngineError

Result = TypeVar("Result")


async def in_time(work: Coroutine[Any, Any, Result], role: str, limit_ms: float) -> Result:
    """Raises EngineError if it takes longer."""
    try:
        async with asyncio.timeout(limit_ms / 1e3):
            return await work
    except TimeoutError as error:
        raise EngineError(f"{role}: no result within {limit_ms:g} ms (switch_after_ms)") from error


async def first_in_time(stream: AsyncGenerator[Result], role: str, limit_ms: float) -> AsyncGenerator[Result]:
    """`stream`, whose first item must come in time; it closes with this one. Raises EngineError."""
    async with aclosing(stream):
        try:
            async with asyncio.timeout(limit_ms / 1e3):
                first = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise EngineError(f"{role}: no result within {limit_ms:g} ms (switch_after_ms)") from error
        yield first
        async for item in stream:
            yield item
