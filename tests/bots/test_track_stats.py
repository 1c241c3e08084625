"""A track that is gone costs its statistics, and nothing else."""

import asyncio

import pytest

from bots.track_stats import stats_of


async def test_a_track_that_is_gone_has_no_statistics() -> None:
    class Gone:
        async def get_stats(self) -> list[object]:
            raise Exception("room failure: no transceiver found for track")

    assert await stats_of(Gone()) == []


async def test_a_track_that_does_not_answer_is_waited_for_no_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("bots.track_stats.STATS_TIMEOUT_S", 0.01)

    class Silent:
        async def get_stats(self) -> list[object]:
            await asyncio.Event().wait()
            return []

    with pytest.raises(TimeoutError):
        await stats_of(Silent())
