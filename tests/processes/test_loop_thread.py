"""A loop in a thread: results and errors come back, and at the end nothing is left under way."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from harness.errors import HarnessError
from harness.processes.loop_thread import LoopThread

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


def test_ctrl_c_is_raised_when_the_work_has_ended_in_order_and_a_second_one_does_not_break_it_off() -> None:
    kept: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.to_thread(kept.append, "what was recorded")
            raise

    loop = LoopThread()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.wait(work(), PATIENCE_S)
        assert kept == ["what was recorded"]
    finally:
        loop.stop()


def test_what_ends_the_session_is_not_broken_off_by_ctrl_c() -> None:
    async def closing() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return await asyncio.to_thread(lambda: "closed")

    loop = LoopThread()
    try:
        assert loop.wait_in_order(closing(), PATIENCE_S) == "closed"
    finally:
        loop.stop()
