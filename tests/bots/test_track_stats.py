"""A track that is gone costs its statistics, and nothing else."""

import asyncio

import pytest

from bots.track_stats import stats_of, waiting_ms


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


def test_what_came_in_packets_and_has_not_left_the_jitter_buffer_waits_in_it() -> None:
    received = {"received": {"packets_received": "145"}, "inbound": {"jitter_buffer_emitted_count": "137280"}}
    assert waiting_ms([{"codec": {}}, {"inbound_rtp": received}]) == 40.0
    assert waiting_ms([{"inbound_rtp": {"inbound": {"jitter_buffer_emitted_count": "960"}}}]) == 0.0
    assert waiting_ms([]) == 0.0
