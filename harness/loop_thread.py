"""An event loop in a thread of its own, for those who are called without one (pytest's hooks)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
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
        """Its result; Ctrl-C meanwhile cancels it."""
        future = self.start(coroutine)
        try:
            return future.result(timeout_s)
        except KeyboardInterrupt:
            future.cancel()
            raise

    def stop(self) -> None:
        """Whatever is still under way is cancelled."""
        with contextlib.suppress(TimeoutError, CancelledError):
            self.wait(_cancel_others(), STOP_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_S)
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
