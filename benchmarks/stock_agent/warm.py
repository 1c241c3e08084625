"""An engine's process that is started before there is an event loop, as a job process of LiveKit Agents wants it.

A job process is prepared (`setup_fnc`) before its loop runs, and what a model takes to load belongs there: else it would be
charged to the moment in which a session joins. `begin` starts the process, `until_ready` waits for its model; the first use
takes it over into the loop. After that it is a `Worker` like any other, and one that died is replaced as there.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass

from runtime.engines.worker import Worker

LIMIT_BYTES = 2**20  # of a line, as in Worker


@dataclass
class _Adopted:
    """What Worker needs of an asyncio.subprocess.Process."""

    child: subprocess.Popen[bytes]
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def returncode(self) -> int | None:
        return self.child.poll()

    async def wait(self) -> int:
        return await asyncio.to_thread(self.child.wait)


class WarmWorker(Worker):
    """See the module."""

    _child: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, and ask it for an answer."""
        self._child = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"do": "ping"}).encode() + b"\n")

    def until_ready(self) -> None:
        """Until its model is loaded."""
        assert self._child is not None
        assert self._child.stdout is not None
        if not self._child.stdout.readline():
            raise RuntimeError(f"{self._argv[2]} ended before it was ready")

    async def ensure(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader(limit=LIMIT_BYTES)
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), child.stdout)
            transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, child.stdin)
            writer = asyncio.StreamWriter(transport, protocol, None, loop)
            self._process = _Adopted(child, writer, reader)  # type: ignore[assignment]
            self._has_answered = True
        await super().ensure()
