"""A part of the product with a spare that waits ready: the common base of agent, page and TTS server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from runtime.spare import Spare


class Worker(Protocol):
    """A process in service or in reserve. `ended` waits until it dies by itself, and returns the reason."""

    @property
    def pid(self) -> int: ...
    @property
    def is_alive(self) -> bool: ...
    async def ended(self) -> str: ...
    async def stop(self) -> None: ...


W = TypeVar("W", bound=Worker)


class SparedPart(ABC, Generic[W]):
    """A `Part` of the supervisor. `spare`: whether a second process waits; else each is made when needed.

    `make` starts a process, `serve` puts it to work; `start` raises HarnessError.
    """

    def __init__(self, name: str, *, spare: bool) -> None:
        self.name = name
        self._in_service: W | None = None
        self._spare: Spare[W] = Spare(name, self.make, spare)

    @abstractmethod
    async def make(self) -> W: ...

    @abstractmethod
    async def serve(self, worker: W) -> None: ...

    @property
    def pid(self) -> int | None:
        return self._in_service.pid if self._in_service is not None else None

    async def start(self) -> None:
        self._in_service = await self._spare.take()
        await self.serve(self._in_service)

    def settled(self) -> None:
        self._spare.prepare()

    async def ended(self) -> str:
        assert self._in_service is not None
        return await self._in_service.ended()

    async def stop(self) -> None:
        """Stop the process in service; the spare stays for the next start. `close` ends both."""
        worker, self._in_service = self._in_service, None
        if worker is not None:
            await worker.stop()

    async def close(self) -> None:
        await self._spare.close()
        await self.stop()
