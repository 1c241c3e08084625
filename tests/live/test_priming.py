"""Priming a call: it waits for a steady jitter buffer, and never for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.live import barrier


class NeverAnswers:
    async def jitter_buffer(self) -> tuple[float, float] | None:
        await asyncio.Event().wait()
        return None


async def test_statistics_that_never_come_do_not_hold_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIGURE_TIMEOUT_S", "PRIME_LIMIT_S", "FIRST_FIGURE_LIMIT_S"):
        monkeypatch.setattr(barrier, name, 0.01)
    user: Any = NeverAnswers()
    async with asyncio.timeout(10):
        _, steady = await barrier.prime(user)
    assert not steady
