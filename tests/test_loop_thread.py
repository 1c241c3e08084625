"""A loop in a thread: results and errors come back, and at the end nothing is left under way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from harness.errors import HarnessError
from harness.loop_thread import LoopThread

PATIENCE_S = 10.0


async def answer() -> int:
    return 42


async def fail() -> None:
    raise HarnessError("no server")


def test_results_and_errors_come_back() -> None:
    loop = LoopThread()
    try:
        assert loop.wait(answer(), PATIENCE_S) == 42
        with pytest.raises(HarnessError, match="no server"):
            loop.wait(fail(), PATIENCE_S)
    finally:
        loop.stop()


def test_what_is_under_way_at_the_end_is_cancelled() -> None:
    ended = threading.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = LoopThread()
    loop.start(for_ever())
    loop.wait(answer(), PATIENCE_S)
    loop.stop()
    assert ended.wait(PATIENCE_S)
