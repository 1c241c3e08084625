"""An agent that serves call after call does not keep what the calls before it held."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest
from livekit import rtc

from tests.runtime.call.test_agent_in_a_hostile_room import WAIT_S, attended, somebody, token

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


async def test_the_agent_takes_its_track_away_first_and_leaves_when_nobody_else_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room that is left while somebody has a track in it is kept by WebRTC's wrapper, on either side."""
    monkeypatch.setattr("runtime.call.agent.OTHERS_TIMEOUT_S", WAIT_S)
    async with (
        attended(tmp_path, "desk") as (server, host),
        somebody(server, token(server, "desk", "probe")) as other,
    ):
        room = host._rooms["desk"][0]._room
        there, unpublished = asyncio.Event(), asyncio.Event()
        left_behind: list[str] = []
        disconnect = room.disconnect

        async def leave() -> None:
            left_behind.extend(sid for one in room.remote_participants.values() for sid in one.track_publications)
            await disconnect()

        monkeypatch.setattr(room, "disconnect", leave)
        room.on("track_published", lambda *_: there.set())
        other.room.on("track_unpublished", lambda *_: unpublished.set())
        source = rtc.AudioSource(48_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("something", source)
        published = await other.room.local_participant.publish_track(track)
        async with asyncio.timeout(WAIT_S):
            await there.wait()
            leaving = asyncio.create_task(host.leave("desk"))
            await unpublished.wait()
            await other.room.local_participant.unpublish_track(published.sid)
            await leaving
        await source.aclose()
    assert left_behind == []
