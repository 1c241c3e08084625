"""A spare process, made ready beforehand: when the one in service dies, the spare takes over at once.

Starting Python and loading an engine takes seconds on a busy machine; handing over takes none. Times in seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

RETRY_S = 10.0  # wait after a spare failed to start; the process in service goes on


class Ready(Protocol):
    """A process that can wait in reserve. `stop` may be called at any time."""

    @property
    def is_alive(self) -> bool: ...
    async def stop(self) -> None: ...


One = TypeVar("One", bound=Ready)


@dataclass
class Spare(Generic[One]):
    """`make` returns a ready process; cancelled, it ends the one it began. Not `wanted`: each is made when taken."""

    name: str
    make: Callable[[], Awaitable[One]]
    wanted: bool = True
    retry_s: float = RETRY_S
    _attempt: asyncio.Task[One] | None = None
    _retry: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> One | None:
        """The waiting spare, if it lives."""
        attempt = self._attempt
        if attempt is None or not attempt.done() or attempt.cancelled() or attempt.exception() is not None:
            return None
        return attempt.result() if attempt.result().is_alive else None

    def prepare(self) -> None:
        """Begin to make a spare, unless there is one."""
        self._forget_retry()
        if self.wanted and self._attempt is None:
            self._attempt = asyncio.create_task(self._made(), name=f"spare {self.name}")
            self._attempt.add_done_callback(self._look_at)

    async def take(self) -> One:
        """The spare, awaited if it is starting, else a new one. Raises what `make` raises."""
        self._forget_retry()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            try:
                one = await attempt
            except Exception as error:  # a new process will fail by the same cause, if it persists
                log.error("the spare %s did not come up: %s", self.name, error)
            else:
                if one.is_alive:
                    return one
                await one.stop()
        return await self.make()

    async def close(self) -> None:
        """End the spare; a taken process belongs to its owner."""
        self._forget_retry()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()
            (outcome,) = await asyncio.gather(attempt, return_exceptions=True)
            if not isinstance(outcome, BaseException):
                await outcome.stop()

    async def _made(self) -> One:
        return await self.make()

    def _look_at(self, attempt: asyncio.Task[One]) -> None:
        if attempt is not self._attempt or attempt.cancelled() or attempt.exception() is None:
            return
        self._attempt = None
        log.error("no spare %s, next try in %g s: %s", self.name, self.retry_s, attempt.exception())
        self._retry = asyncio.get_running_loop().call_later(self.retry_s, self.prepare)

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
