"""One governor for several processes: the same rule through a socket, and whoever is gone has given its place back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from harness.errors import HarnessError, ProvisionError
from harness.live.governor import Governor, Limits
from harness.live.shared_staging import Message, SharedStaging, StagingServer, run_of_server
from harness.live.staging import Stage

NEVER = Limits(launch_s=1e6, ready_s=1e6, busy_s=1e6, hear_s=1e6)
PATIENCE_S = 10.0


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it comes through a socket
        await asyncio.sleep(0.005)


def server(governor: Governor) -> StagingServer:
    async def open_run() -> tuple[Governor, Message]:
        return governor, {"run_id": "r"}

    return StagingServer(open_run)


async def test_sessions_of_others_keep_to_the_rule() -> None:
    governor = Governor(2, NEVER)
    async with asyncio.timeout(PATIENCE_S), server(governor).serving() as path, AsyncExitStack() as stack:
        staging = SharedStaging(path, 3)
        one = await stack.enter_async_context(staging.session())
        other = await stack.enter_async_context(staging.session())
        third = asyncio.create_task(stack.enter_async_context(staging.session()))
        measuring = asyncio.create_task(one.measure())
        await until(lambda: next(s.stage for s in governor.sessions.values()) is Stage.READY)
        assert one.launching_beside == 1
        assert not measuring.done()
        assert await other.measure() is False
        assert await measuring is True
        await until(lambda: other.launching_beside == 0)
        other.leave()
        one.leave()
        async with staging.hearing():
            assert not third.done(), "there is no place yet"
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
        await until(lambda: len(governor.sessions) == 2)
    assert staging.record() is None
    assert governor.record().sessions == 2


async def test_a_place_is_free_again_when_its_process_is_gone() -> None:
    governor = Governor(1, NEVER)
    async with asyncio.timeout(PATIENCE_S), server(governor).serving() as path:
        staging = SharedStaging(path, 2)
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"want": "session"}\n')
        await until(lambda: bool(governor.sessions))
        writer.close()
        await writer.wait_closed()
        async with staging.session() as seat:
            await seat.measure()
            seat.underrun()


async def test_the_run_is_opened_once_for_all_and_its_failure_is_told_to_all(tmp_path: Path) -> None:
    asked = []

    async def open_run() -> tuple[Governor, Message]:
        asked.append(1)
        if len(asked) == 1:
            return Governor(2), {"run_id": "r"}
        raise ProvisionError("no livekit-server found")

    async with asyncio.timeout(PATIENCE_S), StagingServer(open_run).serving() as path:
        async with run_of_server(path) as (one, lost), run_of_server(path) as (other, _):
            assert one == other == {"run_id": "r"}
            assert not lost.is_set()
    assert lost.is_set() is False, "we left, not the server"
    assert asked == [1]
    async with asyncio.timeout(PATIENCE_S), StagingServer(open_run).serving() as path:
        for _ in range(2):
            with pytest.raises(HarnessError, match="no livekit-server found"):
                async with run_of_server(path):
                    pass
    assert asked == [1, 1]


async def test_the_end_of_the_server_is_told_and_nobody_waits_for_it() -> None:
    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        serving = AsyncExitStack()
        path = await serving.enter_async_context(server(Governor(1, NEVER)).serving())
        _, lost = await stack.enter_async_context(run_of_server(path))
        seat = await stack.enter_async_context(SharedStaging(path, 1).session())
        waiting = asyncio.create_task(stack.enter_async_context(SharedStaging(path, 2).session()))
        await asyncio.sleep(0)
        await serving.aclose()
        await lost.wait()
        with pytest.raises(HarnessError, match="has ended"):
            await waiting
        with pytest.raises(HarnessError, match="has ended"):
            await seat.measure()
        with pytest.raises(HarnessError, match="has ended"):
            async with SharedStaging(path, 1).session():
                pass
