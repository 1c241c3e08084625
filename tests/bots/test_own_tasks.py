"""A task of a bot that ends by a fault of ours is told at once, and never only missed in what it brings home."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from livekit import rtc

from bots.connection import RoomJoinError, published
from bots.probe_bot import Identity, Probe, host_clock
from bots.user_bot import UserBot
from harness.live.user import BotUser
from harness.model.status import CaptureStatus

WAIT_S = 10.0


async def fails() -> None:
    raise RuntimeError("the audio source is gone")


async def test_a_probe_that_stops_recording_says_so() -> None:
    probe = Probe(Identity("t", "r", "c", 1, host_clock("h")), "user")
    task = asyncio.create_task(fails())
    task.add_done_callback(probe._ended)
    async with asyncio.timeout(WAIT_S):
        await probe.broken.wait()
    assert probe.broken_why == "the probe stopped recording: RuntimeError: the audio source is gone"


async def test_a_user_bot_that_stops_speaking_is_a_fault_of_ours_and_not_the_servers() -> None:
    user = BotUser(UserBot(), Probe(Identity("t", "r", "c", 1, host_clock("h")), "user"))
    task = asyncio.create_task(fails())
    task.add_done_callback(user.bot._pump_ended)
    async with asyncio.timeout(WAIT_S):
        await user.failed.wait()
    assert user.failure().status is CaptureStatus.HARNESS_ERROR
    assert "the audio source is gone" in user.failure().detail


async def test_a_track_that_the_server_does_not_take_has_a_limit() -> None:
    class Deaf:
        async def publish_track(self, *_: Any) -> None:
            await asyncio.Event().wait()

    room = cast(rtc.Room, type("Room", (), {"local_participant": Deaf()}))
    track = cast(rtc.LocalAudioTrack, type("Track", (), {"name": "microphone"}))
    with pytest.raises(RoomJoinError, match=r"the track microphone was not taken within 0\.05 s"):
        await published(room, track, rtc.TrackPublishOptions(), 0.05)
