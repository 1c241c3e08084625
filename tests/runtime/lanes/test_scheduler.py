"""Hard priority in virtual time, where the figures are exact: the fast lane's waits, the slow lane's skips and stops."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.lanes.scheduler import LaneScheduler, SlowSlot
from tests.runtime.virtual_time import in_virtual_time

STEP_S = 0.004
N_STEPS = 10


async def stepping(slot: SlowSlot) -> str:
    """A slow job on an engine that can be stopped between its tokens only."""
    for _ in range(N_STEPS):
        token = asyncio.ensure_future(asyncio.sleep(STEP_S))
        try:
            await asyncio.shield(token)
        except asyncio.CancelledError:
            await token
            raise
        slot.checkpoint()
    return "done"


def test_the_fast_lane_waits_at_most_one_token() -> None:
    async def run() -> list[float]:
        lanes, rng = LaneScheduler(capacity=1), random.Random(1)
        stop = asyncio.Event()

        async def always_slow() -> None:
            while not stop.is_set():
                await lanes.try_slow(stepping)
                await asyncio.sleep(0.0005)

        slow = asyncio.create_task(always_slow())
        for _ in range(200):
            await asyncio.sleep(rng.uniform(0.01, 0.1))
            async with lanes.fast():
                await asyncio.sleep(N_STEPS * STEP_S)
        stop.set()
        await slow
        assert lanes.slow_preempted > 20, "there was something to preempt"
        assert lanes.slow_completed > 20, "the slow lane is not starved"
        return list(lanes.fast_waits_ms)

    waits = in_virtual_time(run())
    assert len(waits) == 200
    assert max(waits) <= 1e3 * STEP_S + 1e-6
    assert np.percentile(waits, 95) <= 1e3 * STEP_S


def test_a_slow_job_that_awaits_is_stopped_where_it_is() -> None:
    async def run() -> tuple[object, float]:
        lanes = LaneScheduler()
        loop = asyncio.get_running_loop()
        slow = asyncio.create_task(lanes.try_slow(lambda slot: asyncio.sleep(60.0, "done")))
        await asyncio.sleep(1.0)  # virtual time
        async with lanes.fast():
            waited_s = loop.time() - 1.0
        return await slow, waited_s

    assert in_virtual_time(run()) == ("preempted", 0.0)


@pytest.mark.parametrize("reason", ["fast lane busy", "slow lane busy", "cool-down after barge-in"])
def test_the_slow_lane_never_waits(reason: str) -> None:
    async def run() -> object:
        lanes = LaneScheduler()
        other: asyncio.Task | None = None
        if reason == "slow lane busy":
            other = asyncio.create_task(lanes.try_slow(stepping))
            await asyncio.sleep(STEP_S / 2)
        if reason == "cool-down after barge-in":
            lanes.barged_in()
            await asyncio.sleep(4.999)  # virtual time
        now_s = asyncio.get_running_loop().time()
        if reason == "fast lane busy":
            async with lanes.fast():
                result = await lanes.try_slow(stepping)
        else:
            result = await lanes.try_slow(stepping)
        assert asyncio.get_running_loop().time() == now_s
        assert lanes.skipped == {reason: 1}
        if other is not None:
            assert await other == "done"
        return result

    assert in_virtual_time(run()) == reason


def test_the_cool_down_ends_after_five_seconds_and_begins_with_a_stop() -> None:
    async def run() -> list[object]:
        lanes = LaneScheduler()
        slow = asyncio.create_task(lanes.try_slow(stepping))
        await asyncio.sleep(STEP_S / 2)
        lanes.barged_in()
        results = [await slow]
        await asyncio.sleep(5.0)  # virtual time
        return [*results, await lanes.try_slow(stepping)]

    assert in_virtual_time(run()) == ["preempted", "done"]


def test_what_a_slow_job_raises_goes_through_and_frees_the_engine() -> None:
    async def run() -> object:
        lanes = LaneScheduler()

        async def broken(slot: SlowSlot) -> str:
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            await lanes.try_slow(broken)
        assert lanes.slow_completed == 0
        return await lanes.try_slow(stepping)

    assert in_virtual_time(run()) == "done"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, None]))
def test_whatever_comes_when_the_bounds_hold_and_nobody_is_forgotten(seed: int, capacity: int | None) -> None:
    """Random fast requests (some cancelled while they wait), slow tries, barge-ins."""

    async def run() -> None:
        lanes, rng = LaneScheduler(capacity), random.Random(seed)
        inside = {"fast": 0, "slow": 0}

        async def fast() -> None:
            async with lanes.fast():
                inside["fast"] += 1
                assert inside["slow"] == 0
                assert capacity is None or inside["fast"] <= capacity
                try:
                    await asyncio.sleep(rng.uniform(0, 0.05))
                finally:
                    inside["fast"] -= 1

        async def slow() -> None:
            async def work(slot: SlowSlot) -> str:
                inside["slow"] += 1
                assert inside == {"fast": 0, "slow": 1}
                try:
                    return await stepping(slot)
                finally:
                    inside["slow"] -= 1

            await lanes.try_slow(work)

        tasks = []
        for _ in range(60):
            await asyncio.sleep(rng.uniform(0, 0.02))
            tasks.append(asyncio.create_task(rng.choice([fast, slow])()))
            if rng.random() < 0.05:
                lanes.barged_in()
            if rng.random() < 0.2:
                rng.choice(tasks).cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [e for e in done if isinstance(e, Exception) and not isinstance(e, asyncio.CancelledError)], done
        assert inside == {"fast": 0, "slow": 0}
        assert lanes.why_not() in (None, "cool-down after barge-in"), "the engine is free again"

    in_virtual_time(run())


def test_the_benchmark_counts_right_on_a_few_turns() -> None:
    path = Path(__file__).parents[3] / "benchmarks" / "lanes.py"
    spec = importlib.util.spec_from_file_location("benchmark_lanes", path)
    assert spec is not None
    assert spec.loader is not None
    lanes = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lanes)
    result = in_virtual_time(lanes.measure(lanes.Load(turns=20, step_ms=4.0, seed=1, tries="always")))
    assert len(result.ttft_on_ms) == len(result.ttft_off_ms) == 20
    assert np.allclose(result.ttft_off_ms, 40.0)
    assert np.all(result.ttft_on_ms >= 40.0 - 1e-6)
    assert np.all(result.ttft_on_ms <= 44.0 + 1e-6)
    assert np.allclose(result.ttft_on_ms - 40.0, result.waits_ms, atol=1e-6)
    low, high = lanes.ratio_interval(result)
    assert 1.0 <= low <= high <= 1.1
