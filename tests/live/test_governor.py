"""The governor: who may go on is let go on, whoever ends makes room, a busy host is waited for, and no wait is for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from harness.live.governor import Governor, Limits, Seat, open_governor

NEVER = Limits(launch_s=1e6, ready_s=1e6, busy_s=1e6, hear_s=1e6)
AT_ONCE = Limits(launch_s=0, ready_s=0, busy_s=0, hear_s=0)
PATIENCE_S = 10.0


@asynccontextmanager
async def three(governor: Governor) -> AsyncIterator[list[asyncio.Task[Seat]]]:
    """Three sessions that each wait for their seat, and keep it until the end."""
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(stack.enter_async_context(governor.session())) for _ in range(3)]
        await turn()
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def turn() -> None:
    """Let everybody do what can be done without time passing."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_sessions_launch_together_and_are_measured_together() -> None:
    governor = Governor(2, NEVER)
    async with three(governor) as (one, other, third):
        assert one.done()
        assert other.done()
        assert not third.done(), "there are two places"
        first = asyncio.create_task(one.result().measure())
        await turn()
        assert not first.done(), "the other one launches"
        assert one.result().launching_beside == 1
        assert await other.result().measure() is False
        assert await first is True, "it had to wait, so it primes again"
        other.result().leave()
        await turn()
        assert not third.done(), "the first one is still being measured"
        first.cancel()


async def test_a_place_that_is_left_is_taken_when_nobody_is_measured_any_more() -> None:
    governor = Governor(2, NEVER)
    async with AsyncExitStack() as stack:
        leaving = AsyncExitStack()
        one = await leaving.enter_async_context(governor.session())
        other = await stack.enter_async_context(governor.session())
        waiting = asyncio.create_task(stack.enter_async_context(governor.session()))
        await asyncio.gather(one.measure(), other.measure())
        one.leave()
        await leaving.aclose()
        await turn()
        assert not waiting.done()
        other.leave()
        await waiting
    assert governor.record().sessions == 3


async def test_captures_are_heard_one_after_the_other_and_not_beside_a_measurement() -> None:
    governor = Governor(2, NEVER)
    heard = []

    async def hear(name: str) -> None:
        async with governor.hearing():
            heard.append(name)
            await turn()
            assert heard[-1] == name, "nobody else began meanwhile"

    async with governor.session() as seat:
        await seat.measure()
        jobs = [asyncio.create_task(hear(name)) for name in "ab"]
        await turn()
        assert heard == []
        seat.leave()
        await asyncio.gather(*jobs)
    assert heard == ["a", "b"]


async def test_a_session_that_is_broken_off_while_it_waits_makes_room() -> None:
    governor = Governor(1, NEVER)
    async with three(governor) as (_, second, third):
        second.cancel()
        await turn()
        assert len(governor.sessions) == 2
        assert not third.done()


async def test_a_busy_host_holds_the_start_back_until_it_is_quiet() -> None:
    governor = Governor(2, NEVER)
    governor.look(99.0, 0.0)
    async with three(governor) as (one, *_):
        assert not one.done()
        governor.look(40.0, 2.0)
        await asyncio.wait_for(asyncio.shield(one), PATIENCE_S)
    record = governor.record()
    assert record.holds == 1
    assert "host was busy: once, " in record.in_words()
    assert record.overruns == []


@pytest.mark.parametrize(("cpu", "lag_ms", "words"), [(99.0, 0.0, "99 % busy"), (10.0, 300.0, "300 ms late")])
async def test_what_keeps_a_host_busy_is_named(cpu: float, lag_ms: float, words: str) -> None:
    governor = Governor(2, NEVER)
    governor.look(cpu, lag_ms)
    assert governor.busy is not None
    assert words in governor.busy


async def test_what_our_own_launching_costs_does_not_make_the_host_busy_nor_quiet() -> None:
    governor = Governor(2, NEVER)
    async with governor.session() as seat:
        governor.look(99.0, 40.0)
        assert governor.busy is None
        await seat.measure()
        governor.look(99.0, 40.0)  # the launch still was in this interval
        assert governor.busy is None
        governor.look(99.0, 0.0)
        assert governor.busy == "the processor is 99 % busy"
        seat.leave()
        governor.look(10.0, 0.0)
        assert governor.busy == "the processor is 99 % busy", "of a moment of our own nothing is known"


async def test_lost_samples_count_as_a_busy_host() -> None:
    governor = Governor(2, NEVER)
    async with governor.session() as seat:
        seat.underrun()
        governor.look(1.0, 0.0)
        assert governor.busy == "a capture lost samples"


async def test_whoever_reaches_the_limit_of_a_wait_goes_on_and_that_is_noted() -> None:
    in_words: list[str] = []
    governor = Governor(2, AT_ONCE, on_note=in_words.append)
    governor.look(99.0, 0.0)
    async with governor.session() as measured, asyncio.timeout(PATIENCE_S):
        assert "started although the processor is 99 % busy" in in_words[-1]
        await measured.measure()
        governor.look(1.0, 0.0)
        async with governor.session() as seat:
            assert measured.launching_beside == 1
            async with governor.hearing():
                await seat.measure()
    record = governor.record()
    assert any("launched beside 1 measuring" in text for text in record.overruns)
    assert any("heard beside a measurement" in text for text in record.overruns)
    assert record.overruns == [text for text in in_words if "held back" not in text]
    assert "did not wait any longer" in record.in_words()


async def test_the_host_is_watched_while_the_governor_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    monkeypatch.setattr(Governor, "look", lambda *_: looked.set())
    async with open_governor(2, why="asked for") as governor, asyncio.timeout(PATIENCE_S):
        await looked.wait()
    assert governor.record().why == "asked for"
