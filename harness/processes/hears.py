"""What the event loop reports of a child: its output, its end, the closing of its pipes."""

from __future__ import annotations

import asyncio
from typing import cast

from harness.processes.said import Said

LAST_WORDS_S = 0.5  # so long after its end its output is over, even if a process that it left behind holds the pipe
WORDS_BYTES = 8_192  # of a stderr that has no log


class Hears(asyncio.SubprocessProtocol):
    """`over`: no output follows. `exited`: the process is gone. `closed`: so are our ends of its pipes.

    asyncio's own `Process.wait` waits for the end of all pipes (until Python 3.13), thus for any process that inherited them.
    """

    def __init__(self, said: Said) -> None:
        self.said = said
        self.words = bytearray()  # the last on stderr
        self.more = asyncio.Event()
        self.over, self.exited, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.open: set[int] = set()  # its pipes: file descriptors as it has them

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pipes = cast("asyncio.SubprocessTransport", transport)
        self.open = {fd for fd in (0, 1, 2) if pipes.get_pipe_transport(fd) is not None}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.said.feed(data)
            self.more.set()
        else:
            self.words += data
            del self.words[:-WORDS_BYTES]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.open.discard(fd)
        if fd != 0 and not self._speaks():
            self._end()

    def process_exited(self) -> None:
        self.exited.set()
        if self._speaks():
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._end)
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def _speaks(self) -> bool:
        return not self.open <= {0}

    def _end(self) -> None:
        self.over.set()
        self.more.set()
