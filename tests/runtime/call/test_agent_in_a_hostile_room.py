"""The agent in a real room with somebody who means harm: bad tokens, floods, orders that are not theirs to give."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from livekit import api, rtc

from harness.model.events import TOPIC, Clock, ClockKind, Event, EventError, EventType, parse_event
from harness.provide.media_server import MediaServer, find_media_server, media_server
from runtime.app import AgentHost
from runtime.call.duplex_controller import Cause, State
from runtime.call.inbox import LINES, PERIOD_S
from runtime.engines.engine_set import Engines
from runtime.engines.protocols import Heard
from runtime.settings import RuntimeSettings
from tests.runtime.virtual_call import Answers, LoudDetection, ToldWords, Tone

pytestmark = pytest.mark.live
WAIT_S = 60.0
RATE_HZ = 48_000


def token(server: MediaServer, room: str, identity: str, *, ttl_s: float = 600, secret: str | None = None) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    made = api.AccessToken(server.api_key, secret or server.api_secret).with_identity(identity).with_grants(grants)
    return made.with_ttl(datetime.timedelta(seconds=ttl_s)).to_jwt()


def event(kind: EventType, trace_id: str, sender: str) -> bytes:
    clock = Clock(id="test", kind=ClockKind.MONOTONIC)
    told = {"trace_id": trace_id, "run_id": "r", "case_id": "c", "attempt": 1, "seq": 0, "t_ms": 1.0}
    return Event(type=kind, clock=clock, sender=sender, **told).to_bytes()  # type: ignore[arg-type]


@dataclass
class Somebody:
    """A participant; `events` are those of the agent that they got."""

    room: rtc.Room = field(default_factory=rtc.Room)
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    async def join(self, server: MediaServer, jwt: str) -> None:
        self.room.on("data_received", self._take)
        await self.room.connect(server.url, jwt)

    def _take(self, packet: rtc.DataPacket) -> None:
        with contextlib.suppress(EventError):  # what somebody else floods the room with
            self.events.put_nowait(parse_event(packet.data))

    async def send(self, payload: bytes) -> None:
        await self.room.local_participant.publish_data(payload, reliable=True, topic=TOPIC)

    async def until(self, kind: EventType, **data: str) -> Event:
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self.events.get()
                if event.type is kind and all(event.data.get(name) == value for name, value in data.items()):
                    return event

    async def speak(self, seconds: float) -> None:
        """A voice, then silence for as long."""
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        await self.room.local_participant.publish_track(rtc.LocalAudioTrack.create_audio_track("mic", source))
        t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        voice = sum(np.sin(2 * np.pi * 140 * n * t) / n for n in range(1, 24)) * (0.6 + 0.4 * np.sin(8 * np.pi * t))
        for sound in ((6_000 * voice).astype(np.int16), np.zeros_like(t, np.int16)):
            for start in range(0, len(sound) - 479, 480):
                await source.capture_frame(rtc.AudioFrame(sound[start : start + 480].tobytes(), RATE_HZ, 1, 480))


@asynccontextmanager
async def somebody(server: MediaServer, jwt: str) -> AsyncIterator[Somebody]:
    one = Somebody()
    try:
        await one.join(server, jwt)
        yield one
    finally:
        await one.room.disconnect()


@asynccontextmanager
async def attended(tmp_path: Path, room: str) -> AsyncIterator[tuple[MediaServer, AgentHost]]:
    """The agent in `room`, with engines that answer at once and at length."""
    if find_media_server() is None:
        pytest.skip("no media server is provided; run `earwitness setup`")
    async with media_server(target=None, log_path=tmp_path / "livekit.log") as server:
        long_reply = Answers(reply_text=" ".join(["well"] * 400))
        settings = RuntimeSettings(server.url, server.api_key, server.api_secret)
        words = ToldWords([Heard("hello")])
        engines = Engines(LoudDetection(), words, long_reply, Tone())  # type: ignore[arg-type] # what is a voice is not at stake
        host = AgentHost(settings, engines)
        try:
            await host.join(room)
            yield server, host
        finally:
            await host.aclose()


async def test_tokens_that_are_expired_forged_or_of_another_room_do_not_let_in(tmp_path: Path) -> None:
    async with attended(tmp_path, "desk") as (server, host):
        for jwt in (token(server, "desk", "m", ttl_s=-3_600), token(server, "desk", "m", secret="x" * 40), "no token"):
            with pytest.raises(rtc.ConnectError):
                async with somebody(server, jwt):
                    pass
        async with (
            somebody(server, token(server, "desk", "user")) as user,
            somebody(server, token(server, "elsewhere", "mallory")) as mallory,
        ):
            assert "agent" not in mallory.room.remote_participants
            await mallory.send(event(EventType.TRACE, "stolen", "mallory"))
            await user.send(event(EventType.TRACE, "mine", "user"))
            assert (await user.until(EventType.TRACE_ACK)).trace_id == "mine"
        assert host.rooms == ["desk"]


async def test_a_flood_and_orders_of_somebody_else_do_not_stop_the_agent_and_the_user_s_button_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with attended(tmp_path, "desk") as (server, host):
        async with (
            somebody(server, token(server, "desk", "user")) as user,
            somebody(server, token(server, "desk", "mallory")) as mallory,
        ):
            speaking = asyncio.create_task(user.speak(1.5))
            started = await user.until(EventType.REPLY_START)
            await speaking
            began_s = asyncio.get_running_loop().time()
            for number in range(600):
                await mallory.send(b"{" * (number + 1))
            await mallory.send(event(EventType.INTERRUPT, started.trace_id, "user"))  # it says so, and is not
            talk = host._rooms["desk"][0]._talk
            assert talk.control.state is State.SPEAKING
            assert Cause.BUTTON.value not in [cause for _, _, cause in talk.control.history]
            async with asyncio.timeout(WAIT_S):
                await user.send(event(EventType.INTERRUPT, started.trace_id, "user"))
                await user.until(EventType.AGENT_STATE, cause=Cause.BUTTON.value)
                assert (await user.until(EventType.REPLY_END)).data["cause"] == "interrupted"
        periods = 2 + (asyncio.get_running_loop().time() - began_s) // PERIOD_S
        rejected = [line for line in caplog.messages if "rejected" in line]
    assert 1 <= len(rejected) <= periods * (LINES + 1)
    secrets = (server.api_secret, token(server, "desk", "user").split(".")[1])
    assert not [line for line in caplog.messages if any(secret in line for secret in secrets)]
    assert server.api_secret not in (tmp_path / "livekit.log").read_text()
