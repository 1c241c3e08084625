"""What the room still tells of while the agent's connection ends: nothing is started for it, and nothing goes wrong."""

from __future__ import annotations

import asyncio
import gc
import warnings
from types import SimpleNamespace
from typing import Any

from livekit import rtc

from runtime.call.agent import RoomAgent
from runtime.settings import RuntimeSettings


async def test_a_track_that_comes_as_the_agent_leaves_is_not_listened_to() -> None:
    engines: Any = None
    agent = RoomAgent(RuntimeSettings("ws://127.0.0.1:1", "key", "secret"), engines, "desk")
    async with asyncio.TaskGroup() as group:
        agent._group = group
    track: Any = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO)
    publication: Any = SimpleNamespace(sid="TR_1")
    user: Any = SimpleNamespace(identity="user", attributes={})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        agent._track_subscribed(track, publication, user)
        assert agent._start(asyncio.sleep(0)) is None
        gc.collect()
    assert told == []
    assert agent._listeners == []
