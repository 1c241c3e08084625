"""Both lanes on one engine: what the slow lane costs the fast one.

    python benchmarks/lanes.py [--turns 200] [--step-ms 4] [--tries turn|always] [--seed 1]

The engine serves one request at a time, 40 ms each, in token steps that cannot be interrupted inside. Each turn is asked twice,
in random order and at the same moment of its cycle: with the slow lane on and with it off. `--tries turn` offers one slow job
after each reply, as the agent does; `always` lets the slow lane try whenever it may, the worst there can be. Told: the fast
lane's queue wait (limit: P95 <= one step), and the ratio of the median times to first text, on / off, with its 95 % interval by
paired bootstrap over turns (limit: upper end <= 1.05).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import selectors
from dataclasses import dataclass

import numpy as np

from runtime.lanes.scheduler import LaneScheduler, SlowSlot

SERVICE_MS = 40.0
GAP_MS = (20.0, 200.0)  # from one reply's end to the next request
RETRY_S = 0.0005
N_BOOTSTRAP = 4_999
LIMIT_RATIO = 1.05


@dataclass(frozen=True)
class Load:
    turns: int
    step_ms: float
    seed: int
    tries: str  # turn, always


@dataclass(frozen=True)
class Result:
    """Of each turn, shape (n_turns,), ms. `waits_ms` are the fast lane's with the slow lane on."""

    ttft_on_ms: np.ndarray
    ttft_off_ms: np.ndarray
    waits_ms: np.ndarray
    slow: dict[str, object]


async def serve(step_ms: float, slot: SlowSlot | None = None) -> None:
    """One request on the engine: steps on absolute deadlines; a step that has begun is finished, also when cancelled."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    for step in range(1, round(SERVICE_MS / step_ms) + 1):
        reached = loop.create_future()
        handle = loop.call_at(started_s + step * step_ms / 1e3, reached.set_result, None)
        try:
            await asyncio.shield(reached)
        except asyncio.CancelledError:
            await reached
            raise
        finally:
            handle.cancel()
        if slot is not None:
            slot.checkpoint()


async def slow_job(lanes: LaneScheduler, step_ms: float) -> None:
    async def work(slot: SlowSlot) -> None:
        await serve(step_ms, slot)

    await lanes.try_slow(work)


async def one_turn(lanes: LaneScheduler, load: Load, gap_s: float, slow_on: bool) -> tuple[float, float]:
    """(time to first text, queue wait), ms: after a gap in which the slow lane may work, one fast request."""
    loop = asyncio.get_running_loop()

    async def slow_lane() -> None:
        await slow_job(lanes, load.step_ms)
        while load.tries == "always":
            await asyncio.sleep(RETRY_S)  # the pace of a slow lane that tries without pause
            await slow_job(lanes, load.step_ms)

    slow = asyncio.create_task(slow_lane()) if slow_on else None
    await asyncio.sleep(gap_s)
    asked_s = loop.time()
    async with lanes.fast():
        await serve(load.step_ms)
    took_ms = 1e3 * (loop.time() - asked_s)
    if slow is not None:
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
    return took_ms, lanes.fast_waits_ms[-1]


async def measure(load: Load) -> Result:
    rng = random.Random(load.seed)
    lanes = LaneScheduler(capacity=1)
    rows = []
    for _ in range(load.turns):
        gap_s = rng.uniform(*GAP_MS) / 1e3
        pair = {}
        for slow_on in rng.sample([True, False], 2):
            pair[slow_on] = await one_turn(lanes, load, gap_s, slow_on)
        rows.append((pair[True][0], pair[False][0], pair[True][1]))
    on, off, waits = np.array(rows).T
    return Result(on, off, waits, lanes.snapshot())


def ratio_interval(result: Result, seed: int = 1) -> tuple[float, float]:
    """95 % interval of median(on) / median(off): turns drawn anew in pairs."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(result.ttft_on_ms), (N_BOOTSTRAP, len(result.ttft_on_ms)))
    ratios = np.median(result.ttft_on_ms[drawn], axis=1) / np.median(result.ttft_off_ms[drawn], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--step-ms", type=float, default=4.0)
    parser.add_argument("--tries", choices=["turn", "always"], default="turn")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    load = Load(asked.turns, asked.step_ms, asked.seed, asked.tries)
    # select() has a resolution of µs; epoll, asyncio's own choice on Linux, rounds every wait up to whole ms
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        result = runner.run(measure(load))
    low, high = ratio_interval(result)
    on, off = np.median(result.ttft_on_ms), np.median(result.ttft_off_ms)
    p50, p95 = np.percentile(result.waits_ms, [50, 95])
    print(
        f"{asked.turns} turns, service {SERVICE_MS:g} ms in steps of {asked.step_ms:g} ms, slow lane tries: {asked.tries}"
    )
    print(f"slow lane: {result.slow}")
    print(f"queue wait, fast lane   P50 {p50:.2f} ms, P95 {p95:.2f} ms, max {result.waits_ms.max():.2f} ms", end="")
    print(f"   limit P95 <= {asked.step_ms:g} ms: {'kept' if p95 <= asked.step_ms else 'BROKEN'}")
    print(
        f"time to first text      median on {on:.2f} ms, off {off:.2f} ms, ratio {on / off:.4f} [{low:.4f}, {high:.4f}]",
        end="",
    )
    print(f"   limit {LIMIT_RATIO}: {'kept' if high <= LIMIT_RATIO else 'BROKEN'}")


if __name__ == "__main__":
    main()
