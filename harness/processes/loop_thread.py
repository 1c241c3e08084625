"""An event loop in a thread of its own, for callers without one (pytest's hooks)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any

STOP_TIMEOUT_S = 60.0


class LoopThread:
    """Started when it is made; `stop` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="earwitness", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(self._kept(coroutine), self._loop)

    async def _kept(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            return await coroutine
        finally:
            self._under_way.discard(task)

    def wait(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        """The coroutine's result; Ctrl-C cancels it, and is raised when it has ended. A second Ctrl-C changes nothing."""
        work = _Work(self._loop, self._kept(coroutine))
        interrupts: list[int] = []

        def interrupted(number: int, _frame: Any) -> None:
            interrupts.append(number)
            work.cancel()

        with _sigint_goes_to(interrupted):
            work.start()
            wait([work.ended], timeout_s)
        if interrupts:
            raise KeyboardInterrupt
        return work.ended.result(0)

    def wait_in_order(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """The coroutine's result; Ctrl-C is ignored, for work that keeps recordings and ends processes. Raises TimeoutError."""
        work = _Work(self._loop, self._kept(coroutine))
        with _sigint_goes_to(lambda number, frame: None):
            work.start()
            wait([work.ended], timeout_s)
        return work.ended.result(0)

    async def cancel_under_way(self) -> None:
        """Cancel what was started on this loop but for whoever calls this, and wait for its end.

        Not `asyncio.all_tasks()`: a process whose start is broken off inside asyncio is waited for without an end
        (CPython gh-119710, open in 3.11).
        """
        others = self._under_way - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def stop(self) -> None:
        """Cancel whatever is still under way."""
        for ending in (self.cancel_under_way, _cancel_others):
            with contextlib.suppress(TimeoutError, CancelledError):
                self.wait_in_order(ending(), STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()


class _Work:
    """A coroutine on another thread's loop. `ended` is done when the coroutine is, also if it was cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.ended: Future[Any] = Future()
        self._loop, self._coroutine = loop, coroutine
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        self._loop.call_soon_threadsafe(self._begin)

    def cancel(self) -> None:
        """It has STOP_TIMEOUT_S to end."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and self._task.cancelling() == 0:
            self._task.cancel()
            self._loop.call_later(STOP_TIMEOUT_S, self._give_up)

    def _give_up(self) -> None:
        if not self.ended.done():
            self.ended.set_exception(TimeoutError(f"did not end within {STOP_TIMEOUT_S:.0f} s of being cancelled"))

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._tell)

    def _tell(self, task: asyncio.Task[Any]) -> None:
        if self.ended.done():  # it was given up
            return
        if task.cancelled():
            self.ended.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())


@contextlib.contextmanager
def _sigint_goes_to(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """A handler of our own: an exception would be raised wherever the main thread happens to be. Other threads get no
    signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
