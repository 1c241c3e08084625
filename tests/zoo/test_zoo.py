"""The representative part of the zoo, in both lanes: statuses, sentences, turns, leftovers and limits; never a latency.

`python -m tests.zoo --latency` plays all of it on a quiet host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.zoo.play import Zoo, open_zoo
from tests.zoo.row import Row
from tests.zoo.table import ROWS, disagreements

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

QUICK = [pytest.param(row, id=row.name) for row in ROWS if row.quick]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def zoo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Zoo]:
    async with open_zoo(tmp_path_factory.mktemp("zoo")) as opened:
        yield opened


@pytest.mark.parametrize("row", QUICK)
async def test_a_stranger_is_judged_right_and_the_same_in_every_lane(zoo: Zoo, row: Row) -> None:
    played = [await zoo.play(row, lane, latency=False) for lane in row.lanes]
    for one in played:
        assert not one.wrong(latency=False), (one.lane, one.reason)
    assert disagreements(played, within_ms=None) == []
