"""One to four engines that speak side by side; requests queue when all are busy.

An engine stopped inside a segment is warmed up again before the next request gets it, and only queued requests wait for that:
a request after a cancel is neither polluted nor slowed by it more than it must be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from runtime.engines.protocols import EngineError, Int16Array, TextToSpeech

log = logging.getLogger(__name__)

MOST_AT_ONCE = 4


class Voices:
    """All `engines` speak with one voice at one rate."""

    def __init__(self, engines: Sequence[TextToSpeech]) -> None:
        if not 1 <= len(engines) <= MOST_AT_ONCE:
            raise ValueError(f"1 to {MOST_AT_ONCE} engines, not {len(engines)}")
        self.engines = tuple(engines)
        self.rate_hz = engines[0].rate_hz
        self._idle: asyncio.Queue[TextToSpeech] = asyncio.Queue()
        self._warming: set[asyncio.Task[None]] = set()

    async def warm_up(self) -> None:
        """Raises EngineError."""
        outcomes = await asyncio.gather(*(engine.warm_up() for engine in self.engines), return_exceptions=True)
        for error in filter(None, outcomes):
            raise error
        for engine in self.engines:
            self._idle.put_nowait(engine)

    @property
    def n_idle(self) -> int:
        return self._idle.qsize()

    async def speak(self, text: str) -> AsyncGenerator[Int16Array | None]:
        """Yield None when an engine is free for `text`, then its chunks. Raises EngineError."""
        engine = await self._idle.get()
        whole = False
        try:
            yield None
            async with aclosing(engine.speak(text)) as chunks:
                async for chunk in chunks:
                    yield chunk
            whole = True
        finally:
            if whole:
                self._idle.put_nowait(engine)
            else:
                task = asyncio.create_task(self._warm_again(engine))
                self._warming.add(task)
                task.add_done_callback(self._warming.discard)

    async def _warm_again(self, engine: TextToSpeech) -> None:
        try:
            await engine.warm_up()
        except EngineError as error:
            log.error("the engine did not come back, the next request tries it: %s", error)
        self._idle.put_nowait(engine)

    async def aclose(self) -> None:
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        await asyncio.gather(*(engine.aclose() for engine in self.engines))
