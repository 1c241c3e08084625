"""A worker process with a small protocol over its pipes, restarted at the next use when it has died.

Messages both ways: see runtime.engines.pipe_messages. Code that is GPL (espeak-ng) or holds the GIL
(pocketsphinx) lives in such a process; the event loop only reads and writes pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from typing import Any

from runtime.engines.pipe_messages import packed
from runtime.engines.protocols import EngineError

START_TIMEOUT_S = 60.0  # until a fresh process's first answer, which loading the model precedes
ANSWER_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0


class Worker:
    """`module` is run with `python -m`. Not safe for two conversations at once: the owner serialises them."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._argv = [sys.executable, "-P", "-m", module, *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self._has_answered = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    async def ensure(self) -> None:
        if self._process is None or self._process.returncode is not None:
            self._has_answered = False
            self._process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
                start_new_session=True,
            )  # fmt: skip

    def send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        """Raises EngineError if the process is gone."""
        if self._process is None or self._process.stdin is None or self._process.returncode is not None:
            raise EngineError(f"{self._module} is not running")
        self._process.stdin.write(packed(message, payload))

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        """Raises EngineError if the process ends, or does not answer in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S if self._has_answered else START_TIMEOUT_S):
                line = await self._process.stdout.readline()
                message = json.loads(line) if line else None
                payload = await self._process.stdout.readexactly(message.get("n_bytes", 0)) if message else b""
        except (TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            await self.aclose()
            raise EngineError(f"{self._module} gave no answer: {error!r}") from error
        if message is None:
            await self.aclose()
            raise EngineError(f"{self._module} ended")
        self._has_answered = True
        return message, payload

    async def aclose(self, *, at_once: bool = False) -> None:
        """End the process; `at_once`: kill it with its children, whatever they do."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if not at_once:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await _end_of(process)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _end_of(process)


async def _end_of(process: asyncio.subprocess.Process) -> None:
    """Wait for its end, reading its pipe: a full pipe would block the process, and an unread one asyncio's wait()."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    with contextlib.suppress(RuntimeError):  # another task is reading, and will see the end
        while await process.stdout.read(2**16):
            pass
    await process.wait()
