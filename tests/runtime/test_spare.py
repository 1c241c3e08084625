"""What waits ready behind the one in service: it is taken, waited for, replaced, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from runtime.spare import Spare

WAIT_S = 10.0


@dataclass
class StandIn:
    number: int
    is_alive: bool = True

    async def stop(self) -> None:
        self.is_alive = False


@dataclass
class Maker:
    """Makes one at a time, when `may` is set; the next `broken` fail."""

    broken: int = 0
    may: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    made: list[StandIn] = field(default_factory=list)
    given_up: int = 0

    async def __call__(self) -> StandIn:
        self.begun.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.broken:
            self.broken -= 1
            raise RuntimeError("it does not come up")
        self.made.append(StandIn(len(self.made)))
        return self.made[-1]


@pytest.fixture
def maker() -> Maker:
    maker = Maker()
    maker.may.set()
    return maker


async def until_ready(spare: Spare[StandIn]) -> None:
    async with asyncio.timeout(WAIT_S):
        while spare.ready is None:  # noqa: ASYNC110  (nobody is told that a spare is ready)
            await asyncio.sleep(0)


async def test_the_one_that_waits_is_taken_and_nothing_is_made_then(maker: Maker) -> None:
    spare = Spare("part", maker)
    spare.prepare()
    spare.prepare()
    await until_ready(spare)
    assert await spare.take() is maker.made[0]
    assert len(maker.made) == 1
    assert (await spare.take()).number == 1, "there was no other one"


async def test_one_on_its_way_is_waited_for_not_overtaken() -> None:
    maker = Maker()
    spare = Spare("part", maker)
    spare.prepare()
    await maker.begun.wait()
    taking = asyncio.create_task(spare.take())
    maker.may.set()
    assert (await taking).number == 0
    assert len(maker.made) == 1


async def test_one_that_died_waiting_is_replaced(maker: Maker) -> None:
    spare = Spare("part", maker)
    spare.prepare()
    await until_ready(spare)
    maker.made[0].is_alive = False
    assert spare.ready is None
    assert (await spare.take()).number == 1


async def test_one_that_did_not_come_up_is_tried_again_and_whoever_needs_one_meanwhile_gets_one(maker: Maker) -> None:
    maker.broken = 1
    spare = Spare("part", maker, retry_s=0.0)
    spare.prepare()
    await until_ready(spare)
    maker.broken = 2
    impatient = Spare("part", maker, retry_s=1e6)
    impatient.prepare()
    with pytest.raises(RuntimeError, match="does not come up"):
        await impatient.take()
    assert (await impatient.take()).number == 1
    await spare.close()


async def test_who_wants_no_spare_has_none(maker: Maker) -> None:
    spare = Spare("part", maker, wanted=False)
    spare.prepare()
    assert (await spare.take()).number == 0
    spare.prepare()
    await spare.close()
    assert len(maker.made) == 1


async def test_what_waits_is_ended_with_its_owner_and_what_is_on_its_way_given_up(maker: Maker) -> None:
    spare = Spare("part", maker)
    spare.prepare()
    await until_ready(spare)
    await spare.close()
    assert not maker.made[0].is_alive
    slow = Maker()
    spare = Spare("part", slow)
    spare.prepare()
    await slow.begun.wait()
    await spare.close()
    assert (slow.given_up, slow.made) == (1, [])
