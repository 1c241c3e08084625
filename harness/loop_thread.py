"""An event loop in a thread of its own, for those who are called without one (pytest's hooks)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import Any

STOP_TIMEOUT_S = 60.0


class LoopThread:
    """Started when it is made; `stop` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="earwitness", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def wait(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        """Its result; Ctrl-C meanwhile cancels it, and is raised when it has ended. A second one changes nothing."""
        work = _Work(self._loop, coroutine)
        try:
            return work.ended.result(timeout_s)
        except KeyboardInterrupt:
            work.cancel()
            _until(work.ended, STOP_TIMEOUT_S)
            raise

    def wait_in_order(self, coroutine: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """Its result, though Ctrl-C comes meanwhile: for what keeps recordings and ends processes. Raises TimeoutError."""
        work = _Work(self._loop, coroutine)
        _until(work.ended, timeout_s)
        return work.ended.result(0)

    def stop(self) -> None:
        """Whatever is still under way is cancelled."""
        with contextlib.suppress(TimeoutError, CancelledError):
            self.wait_in_order(_cancel_others(), STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()


class _Work:
    """A coroutine on another thread's loop. `ended` is done when the coroutine is, also if it was cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.ended: Future[Any] = Future()
        self._loop, self._coroutine = loop, coroutine
        self._task: asyncio.Task[Any] | None = None
        loop.call_soon_threadsafe(self._begin)

    def cancel(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._tell)

    def _tell(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.ended.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())


def _until(ended: Future[Any], timeout_s: float) -> None:
    """Waits for as long as `timeout_s`, whatever signals come."""
    deadline_s = time.monotonic() + timeout_s
    while not ended.done() and (left_s := deadline_s - time.monotonic()) > 0:
        with contextlib.suppress(KeyboardInterrupt):
            wait([ended], left_s)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
