"""A child process that answers, for callers without an event loop: `child.Child` on a loop in a thread of its own.

A context manager. The process starts at the first question, and anew when it has ended; it ends with the context. A thread
may end it while another one waits for an answer: that one is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, TypeVar

from harness.processes.child import Child, NoAnswerError
from harness.processes.loop_thread import LoopThread
from harness.processes.spec import ChildSpec

Result = TypeVar("Result")


class PipedChild:
    """One question at a time. A child that leaves one open is ended: its late answer must not answer the next one."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self._loop: LoopThread | None = None
        self._child: Child | None = None  # of the loop's thread alone
        self._lock = threading.Lock()  # of self._loop

    def __enter__(self) -> PipedChild:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def ask(self, question: bytes, timeout_s: float) -> bytes:
        """The answer's line. Raises NoAnswerError; HarnessError if it cannot be started."""
        return self._wait(self._ask(question, timeout_s))

    def more_of_answer(self, n_bytes: int, timeout_s: float) -> bytes:
        """The bytes after it. Raises NoAnswerError."""
        return self._wait(self._more_of_answer(n_bytes, timeout_s))

    def close(self) -> None:
        """End it; it has nothing that could be lost."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            loop.start(self._end(loop)).result()
        finally:
            loop.stop()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            with self._lock:
                if self._loop is None:
                    self._loop = LoopThread()
                under_way = self._loop.start(work)
            return under_way.result()
        except CancelledError as error:
            raise self._ended() from error
        except BaseException:  # Ctrl-C among them
            self.close()
            raise

    def _ended(self) -> NoAnswerError:
        return NoAnswerError(self.spec.name, "was ended before it answered", "")

    async def _end(self, loop: LoopThread) -> None:
        await loop.cancel_under_way()
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def _more_of_answer(self, n_bytes: int, timeout_s: float) -> bytes:
        if self._child is None:
            raise self._ended()
        return await self._child.more_of_answer(n_bytes, timeout_s)

    async def _ask(self, question: bytes, timeout_s: float) -> bytes:
        if self._child is not None and not self._child.is_alive:
            await self._child.stop()
            self._child = None
        if self._child is None:
            self._child = await Child.start(self.spec)
        return await self._child.ask(question, timeout_s)
