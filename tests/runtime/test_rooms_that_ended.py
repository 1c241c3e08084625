"""An agent that serves call after call does not keep what the calls before it held."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from tests.runtime.test_agent_in_a_hostile_room import WAIT_S, attended

pytestmark = pytest.mark.live


async def test_what_a_room_held_of_webrtc_goes_with_the_room(tmp_path: Path) -> None:
    async with attended(tmp_path, "desk") as (_, host):
        gone = asyncio.Event()
        gc.disable()  # Python's own rhythm goes by objects, and sees nothing of WebRTC's memory
        try:
            alive = weakref.ref(host._rooms["desk"][0], lambda _: gone.set())
            await host.leave("desk")
            async with asyncio.timeout(WAIT_S):
                await gone.wait()
        finally:
            gc.enable()
    assert alive() is None
