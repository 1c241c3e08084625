"""The representative part of the zoo, in both lanes: statuses, sentences, turns, leftovers and limits; never a latency.

`python -m tests.zoo --latency` plays all of it on a quiet host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.zoo.play import Played, Zoo, open_zoo
from tests.zoo.row import BOTH, Lane, Row
from tests.zoo.table import ROWS, disagreements

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

QUICK = [row for row in ROWS if row.quick]
PLAYS = [pytest.param(row, lane, id=f"{row.name}-{lane}") for row in QUICK for lane in BOTH if lane in row.lanes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zoo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Zoo]:
    async with open_zoo(tmp_path_factory.mktemp("zoo")) as opened:
        yield opened


@pytest.fixture(scope="module")
def played() -> list[Played]:
    return []


@pytest.mark.parametrize(("row", "lane"), PLAYS)
async def test_a_stranger_is_judged_right(zoo: Zoo, played: list[Played], row: Row, lane: Lane) -> None:
    one = await zoo.play(row, lane, latency=False)
    played.append(one)
    assert not one.wrong(latency=False), one.reason


async def test_both_lanes_say_the_same_of_a_stranger(played: list[Played]) -> None:
    if not played:
        pytest.skip("nothing was played")
    assert disagreements(played, within_ms=None) == []
