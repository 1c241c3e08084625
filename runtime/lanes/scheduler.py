"""Who may use a shared engine: hard priority (R-20 to R-22). Times are s of the event loop.

A fast request makes the slow one stop, and waits only until it does: at its next token boundary (`checkpoint`) or where it
awaits (its task is cancelled). A slow request is skipped, never queued, if a fast request runs or waits, if another slow one
runs, or within COOL_DOWN_S of a barge-in. Fast requests wait for each other only if the engine serves `capacity` at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

COOL_DOWN_S = 5.0
KEPT_WAITS = 512

Result = TypeVar("Result")


class PreemptedError(Exception):
    """A fast request wants the engine; raised inside the slow one, at its token boundary."""


@dataclass
class SlowSlot:
    """The slow lane's turn at the engine."""

    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def preempted(self) -> bool:
        return self._stop.is_set()

    def checkpoint(self) -> None:
        """Called at each token boundary. Raises PreemptedError."""
        if self._stop.is_set():
            raise PreemptedError


@dataclass
class LaneScheduler:
    """One engine. `skipped` counts the slow lane's refusals by reason; `fast_waits_ms` are the last waits."""

    capacity: int | None = None
    cool_down_s: float = COOL_DOWN_S
    skipped: Counter[str] = field(default_factory=Counter)
    slow_completed: int = 0
    slow_preempted: int = 0
    fast_waits_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_WAITS))
    _fast: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _slow: SlowSlot | None = None
    _cool_until_s: float = float("-inf")

    @asynccontextmanager
    async def fast(self) -> AsyncIterator[None]:
        """Hold the engine while the reply uses it."""
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        if self._slow is not None:
            self._slow._stop.set()
        if self._slow is not None or self._waiting or self._full():
            place: asyncio.Future[None] = loop.create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():  # let in and cancelled at once
                    self._fast -= 1
                else:
                    self._waiting.remove(place)
                self._let_in()
                raise
        else:
            self._fast += 1
        self.fast_waits_ms.append(1e3 * (loop.time() - asked_s))
        try:
            yield
        finally:
            self._fast -= 1
            self._let_in()

    def _full(self) -> bool:
        return self.capacity is not None and self._fast >= self.capacity

    def _let_in(self) -> None:
        while self._waiting and self._slow is None and not self._full():
            place = self._waiting.popleft()
            if not place.cancelled():
                self._fast += 1
                place.set_result(None)

    def barged_in(self) -> None:
        """The user interrupted, and will want an answer soon."""
        self._cool_until_s = asyncio.get_running_loop().time() + self.cool_down_s
        if self._slow is not None:
            self._slow._stop.set()

    def why_not(self) -> str | None:
        """Why the slow lane may not use the engine now; None if it may."""
        if self._fast or self._waiting:
            return "fast lane busy"
        if self._slow is not None:
            return "slow lane busy"
        if asyncio.get_running_loop().time() < self._cool_until_s:
            return "cool-down after barge-in"
        return None

    async def try_slow(self, work: Callable[[SlowSlot], Coroutine[Any, Any, Result]]) -> Result | str:
        """`work`'s result, or the reason why there is none. Exceptions of `work` go through."""
        reason = self.why_not()
        if reason is not None:
            self.skipped[reason] += 1
            return reason
        slot = self._slow = SlowSlot()
        working = asyncio.ensure_future(work(slot))
        stopping = asyncio.ensure_future(slot._stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
            if working.cancelled() or isinstance(working.exception(), PreemptedError):
                self.slow_preempted += 1
                return "preempted"
            result = working.result()
            self.slow_completed += 1
            return result
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            self._slow = None
            self._let_in()

    def snapshot(self) -> dict[str, Any]:
        return {
            "slow_completed": self.slow_completed,
            "slow_preempted": self.slow_preempted,
            "slow_skipped": dict(self.skipped),
            "fast_wait_ms_max": round(max(self.fast_waits_ms), 2) if self.fast_waits_ms else None,
        }
