"""What is kept alive, with parts that live and die as a test tells them to, in the loop's own time made fast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from harness.errors import HarnessError, UsageError
from harness.service.supervisor import Backoff, PartState, Supervisor

WAIT_S = 10.0


@dataclass
class StandIn:
    """A part without a process. `die` ends it; `broken` starts fail."""

    name: str
    log: list[str]
    broken: int = 0
    starts: int = 0
    pid: int | None = 1
    _dead: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self._dead = asyncio.Event()
        self.starts += 1
        self.log.append(f"start {self.name}")
        if self.broken:
            self.broken -= 1
            raise HarnessError(f"{self.name} is broken")
        self.started.set()

    def settled(self) -> None:
        self.log.append(f"settled {self.name}")

    async def ended(self) -> str:
        await self._dead.wait()
        return "told to"

    async def stop(self) -> None:
        self.log.append(f"stop {self.name}")

    def die(self) -> None:
        self.started.clear()
        self._dead.set()


async def nothing(_: str) -> None:
    return


@asynccontextmanager
async def supervised(*parts: StandIn, after=nothing) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(parts, after)
    for kept in supervisor.kept:
        kept.backoff = Backoff(first_s=0.01, longest_s=0.02)
    ready = asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    try:
        async with asyncio.timeout(WAIT_S):
            await ready.wait()
            yield supervisor
    finally:
        supervisor.stop()
        await running


async def test_parts_start_in_order_settle_when_all_serve_and_end_in_reverse() -> None:
    log: list[str] = []
    async with supervised(StandIn("media", log), StandIn("agent", log)):
        pass
    assert log == ["start media", "start agent", "settled media", "settled agent", "stop agent", "stop media"]


async def test_a_part_that_dies_is_started_again_alone_and_what_follows_is_told() -> None:
    log: list[str] = []
    told: asyncio.Queue[str] = asyncio.Queue()
    media, agent = StandIn("media", log), StandIn("agent", log)
    async with supervised(media, agent, after=told.put) as supervisor:
        agent.die()
        assert await told.get() == "agent"
        kept = supervisor.kept[1]
        assert (kept.state, kept.restarts, kept.last_end) == (PartState.UP, 1, "told to")
        assert kept.back_after_s is not None
        assert media.starts == 1


async def test_a_part_that_does_not_come_back_is_tried_until_it_does() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    agent = StandIn("agent", [])
    async with supervised(agent, after=told.put) as supervisor:
        agent.broken = 3
        agent.die()
        await told.get()
        assert agent.starts == 5
        assert supervisor.kept[0].restarts == 4


async def test_a_part_that_does_not_come_up_at_first_ends_everything() -> None:
    log: list[str] = []
    supervisor = Supervisor([StandIn("media", log), StandIn("agent", log, broken=1)], nothing)
    with pytest.raises(HarnessError, match="agent is broken"):
        await supervisor.run(lambda: None)
    assert log[-1] == "stop media"


async def test_a_failure_of_what_follows_a_restart_does_not_end_the_supervision() -> None:
    failed = asyncio.Event()

    async def fail(_: str) -> None:
        failed.set()
        raise RuntimeError("no rooms today")

    agent = StandIn("agent", [])
    async with supervised(agent, after=fail):
        agent.die()
        await failed.wait()
        await agent.started.wait()
        agent.die()
        await agent.started.wait()
    assert agent.starts == 3


async def test_one_part_can_be_started_again_on_request() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    media, agent = StandIn("media", []), StandIn("agent", [])
    async with supervised(media, agent, after=told.put) as supervisor:
        supervisor.restart("media")
        assert await told.get() == "media"
        assert (media.starts, agent.starts) == (2, 1)
        with pytest.raises(UsageError, match="there are media, agent"):
            supervisor.restart("printer")


def test_the_first_death_costs_no_wait_and_later_ones_more_and_more_up_to_a_limit() -> None:
    backoff = Backoff(first_s=0.5, longest_s=4.0, stable_s=30.0)
    assert [backoff.died(lived_s=1.0) for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 4.0, 4.0]


def test_a_quiet_life_is_a_clean_slate() -> None:
    backoff = Backoff(first_s=0.5, longest_s=4.0, stable_s=30.0)
    for _ in range(4):
        backoff.died(lived_s=1.0)
    assert backoff.died(lived_s=31.0) == 0.0
