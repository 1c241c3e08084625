"""The common part of the runtime's processes: logging, and stopping."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def stop_signals() -> asyncio.Event:
    """An event set at SIGTERM and SIGINT, which from now on end nothing by themselves."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, *, exit_with_parent: bool) -> None:
    """Wait for `stop`, or with `exit_with_parent` until stdin closes, so that no orphan remains."""
    gone: asyncio.Task[bytes] | None = None
    if exit_with_parent:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        gone = asyncio.create_task(reader.read())
        gone.add_done_callback(lambda _: stop.set())
    try:
        await stop.wait()
    finally:
        if gone is not None:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


def lines_of_parent() -> asyncio.Queue[bytes]:
    """Lines of stdin as they come; an empty line is the end: stdin closed, SIGTERM or SIGINT."""
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        line = sys.stdin.buffer.readline()
        if not line:
            loop.remove_reader(fd)
        lines.put_nowait(line)

    loop.add_reader(fd, read)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lines.put_nowait, b"")
    return lines
