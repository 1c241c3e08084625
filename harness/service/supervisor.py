"""Keeps a list of parts alive: starts them in order, restarts the dead, ends them in reverse. Knows no part by name.

A part that dies after a quiet life restarts at once; a part that keeps dying waits longer each time. Times are seconds of
the event loop's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harness.errors import HarnessError, UsageError

log = logging.getLogger(__name__)

START_TIMEOUT_S = 90.0  # engines load, on a busy machine
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STABLE_S = 30.0  # the death of a part that lived this long starts a new count


class Part(Protocol):
    """One part to keep alive. `start` returns when it serves (raises HarnessError); `ended` returns the reason when it has
    died by itself; `stop` ends whatever is left of it and may be called at any time. `settled` is called when all parts
    serve: the time to prepare a spare.
    """

    name: str

    @property
    def pid(self) -> int | None: ...
    async def start(self) -> None: ...
    def settled(self) -> None: ...
    async def ended(self) -> str: ...
    async def stop(self) -> None: ...


class PartState(StrEnum):
    STARTING = "starting"
    UP = "up"
    WAITING = "waiting"  # the part keeps dying: its next start is put off
    DOWN = "down"


@dataclass
class Backoff:
    """The wait before the next start: none after a quiet life, else doubling."""

    first_s: float = FIRST_WAIT_S
    longest_s: float = LONGEST_WAIT_S
    stable_s: float = STABLE_S
    _early_deaths: int = 0

    def died(self, lived_s: float) -> float:
        """Seconds to wait now."""
        if lived_s >= self.stable_s:
            self._early_deaths = 0
        self._early_deaths += 1
        if self._early_deaths == 1:
            return 0.0
        # 30 doublings are far beyond the longest wait, and keep the power a small number
        return min(self.longest_s, self.first_s * 2.0 ** min(self._early_deaths - 2, 30))


@dataclass
class Kept:
    """One part and its history."""

    part: Part
    state: PartState = PartState.DOWN
    restarts: int = 0
    last_end: str = ""
    back_after_s: float | None = None  # from the last death to serving again
    up_since_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    restart_asked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Supervisor:
    """`run` until `stop`. `after_restart(name)` runs as its own task each time a part is back."""

    parts: Sequence[Part]
    after_restart: Callable[[str], Awaitable[None]]
    kept: list[Kept] = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.kept = [Kept(part) for part in self.parts]

    def stop(self) -> None:
        self._stop.set()

    def restart(self, name: str | None) -> None:
        """Ask for a restart of one part, or of all. Raises UsageError for an unknown name."""
        chosen = [kept for kept in self.kept if name in (None, kept.part.name)]
        if not chosen:
            known = ", ".join(kept.part.name for kept in self.kept)
            raise UsageError(f"no part is called {name!r}; there are {known}")
        for kept in chosen:
            kept.restart_asked.set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Raises HarnessError if a part fails its first start; later starts are tried again and again."""
        try:
            for kept in self.kept:
                await self._start(kept)
            on_ready()
            for kept in self.kept:
                kept.part.settled()
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(self._keep(kept), name=f"keep {kept.part.name}") for kept in self.kept]
                await self._stop.wait()
                for keeper in keepers:
                    keeper.cancel()
        finally:
            for kept in reversed(self.kept):
                await kept.part.stop()
                kept.state = PartState.DOWN

    async def _start(self, kept: Kept) -> None:
        kept.state = PartState.STARTING
        try:
            async with asyncio.timeout(START_TIMEOUT_S) as limit:
                await kept.part.start()
        except TimeoutError as error:
            if not limit.expired():  # a timeout from within the part
                raise HarnessError(
                    f"{kept.part.name} did not start: {error or 'a wait within it took too long'}"
                ) from error
            raise HarnessError(f"{kept.part.name} did not start within {START_TIMEOUT_S:.0f} s") from error
        kept.state, kept.up_since_s = PartState.UP, asyncio.get_running_loop().time()

    async def _keep(self, kept: Kept) -> None:
        following: set[asyncio.Task[None]] = set()
        try:
            while True:
                asked = await self._until_over(kept)
                await self._bring_back(kept, asked)
                task = asyncio.create_task(self._follow(kept.part.name), name=f"after restart of {kept.part.name}")
                following.add(task)
                task.add_done_callback(following.discard)
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    async def _follow(self, name: str) -> None:
        try:
            await self.after_restart(name)
        except Exception:  # a fault here must not end the supervision
            log.exception("after the restart of %s", name)

    async def _until_over(self, kept: Kept) -> bool:
        """Wait until the part dies or its restart is requested (True)."""
        ended = asyncio.create_task(kept.part.ended())
        asked = asyncio.create_task(kept.restart_asked.wait())
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
            kept.last_end = ended.result() if ended.done() else "restart asked for"
            return not ended.done()
        finally:
            for task in (ended, asked):
                task.cancel()
            await asyncio.gather(ended, asked, return_exceptions=True)

    async def _bring_back(self, kept: Kept, asked: bool) -> None:
        loop = asyncio.get_running_loop()
        died_s = loop.time()
        log.warning("%s is to start again: %s", kept.part.name, kept.last_end)
        wait_s = 0.0 if asked else kept.backoff.died(died_s - kept.up_since_s)
        while True:
            kept.restart_asked.clear()
            kept.state = PartState.WAITING if wait_s else PartState.STARTING
            with contextlib.suppress(TimeoutError):  # a requested restart does not wait
                async with asyncio.timeout(wait_s):
                    await kept.restart_asked.wait()
            kept.restart_asked.clear()
            kept.restarts += 1
            try:
                await kept.part.stop()
                await self._start(kept)
            except HarnessError as error:
                kept.last_end = str(error)
                wait_s = kept.backoff.died(0.0)
                log.error("%s did not come back, next try in %.1f s: %s", kept.part.name, wait_s, error)
                continue
            kept.part.settled()
            kept.back_after_s = loop.time() - died_s
            log.info("%s is back after %.2f s", kept.part.name, kept.back_after_s)
            return
