"""The product page in real Chromium, a media server, and an agent that says and sends what a test tells it to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from livekit import api, rtc
from playwright.async_api import Browser, Page, async_playwright

from harness.model.events import TOPIC, Clock, ClockKind, Event, EventType, ReplyCause
from harness.provide.chromium import find_chromium
from harness.provide.media_server import MediaServer, find_media_server, media_server
from harness.provide.page_library import find_page_library
from runtime.page.token_server import TokenSettings, make_token_app, serve_token_app

RATE_HZ = 48_000
FRAME_SAMPLES = RATE_HZ // 50
WAIT_MS = 60_000
FLAGS = (
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def library_dir() -> Path:
    library = find_page_library()
    if library is None:
        pytest.skip("livekit-client is not provided; run `earwitness setup`")
    return library.path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def livekit(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MediaServer]:
    if find_media_server() is None:
        pytest.skip("no media server is provided; run `earwitness setup`")
    async with media_server(target=None, log_path=tmp_path_factory.mktemp("livekit") / "livekit.log") as server:
        yield server


@asynccontextmanager
async def chromium(*more_flags: str) -> AsyncIterator[Browser]:
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium on this machine; run `earwitness setup`")
    flags = [*FLAGS, *more_flags, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found.path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@dataclass
class Watched:
    """A page with everything that it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def state(self) -> dict[str, Any]:
        return await self.page.evaluate("() => window.earwitness.state")

    async def trace(self) -> dict[str, Any]:
        return await self.page.evaluate("() => window.earwitness.trace")

    async def until(self, condition: str) -> None:
        """`condition`: JavaScript, true when the test may go on."""
        await self.page.wait_for_function(condition, timeout=WAIT_MS, polling=50)

    async def until_problem(self, code: str) -> str:
        """The message that a person reads."""
        await self.until(f"() => window.earwitness.state.problem?.code === '{code}'")
        await self.page.get_by_role("alert").wait_for()
        return await self.page.locator("#problem-text").inner_text()


@asynccontextmanager
async def open_page(browser: Browser, **options: Any) -> AsyncIterator[Watched]:
    """A page of a person who was never here before."""
    context = await browser.new_context(**options)
    try:
        yield _watch(await context.new_page())
    finally:
        await context.close()


def _watch(page: Page) -> Watched:
    watched = Watched(page)
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("websocket", lambda socket: watched.requests.append(socket.url))
    page.on("console", lambda message: watched.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    return watched


@dataclass
class StandInAgent:
    """An agent's outside: in a room, with a voice and with events, and no mind of its own."""

    server: MediaServer
    room: rtc.Room = field(default_factory=rtc.Room)
    source: rtc.AudioSource = field(default_factory=lambda: rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100))
    data_from_others: list[bytes] = field(default_factory=list)
    data_arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    user_heard: asyncio.Event = field(default_factory=asyncio.Event)
    user_left: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    async def join(self, name: str) -> None:
        grants = api.VideoGrants(room_join=True, room=name)
        token = api.AccessToken(self.server.api_key, self.server.api_secret).with_identity("agent-1")
        token = token.with_attributes({"role": "agent"}).with_grants(grants)
        self.room.on("data_received", lambda packet: self.data_from_others.append(packet.data))
        self.room.on("data_received", lambda packet: self.data_arrived.put_nowait(packet.data))
        self.room.on("track_subscribed", lambda *_: self.user_heard.set())
        self.room.on("participant_disconnected", lambda _: self.user_left.set())
        await self.room.connect(self.server.url, token.to_jwt())
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        await self.room.local_participant.publish_track(track)

    async def say(self, seconds: float, hz: float = 330.0) -> None:
        await self._play(0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ))

    async def be_silent(self, seconds: float) -> None:
        await self._play(np.zeros(int(seconds * RATE_HZ)))

    async def _play(self, samples: np.ndarray) -> None:
        pcm = (32767 * samples).astype(np.int16)
        for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):  # paced by the source's own queue
            frame = rtc.AudioFrame(pcm[start : start + FRAME_SAMPLES].tobytes(), RATE_HZ, 1, FRAME_SAMPLES)
            await self.source.capture_frame(frame)

    async def send(self, kind: EventType, data: dict[str, Any], reply_seq: int | None = None, **others: Any) -> None:
        self.sent += 1
        identity = {"trace_id": "live-1", "run_id": "", "case_id": "", "attempt": 1, **others}
        clock = Clock(id="test", kind=ClockKind.MONOTONIC)
        event = Event(
            type=kind,
            seq=self.sent,
            t_ms=1.0,
            clock=clock,
            sender="agent-1",
            reply_seq=reply_seq,
            data=data,
            **identity,
        )
        await self.send_raw(event.to_bytes())

    async def send_raw(self, payload: bytes) -> None:
        await self.room.local_participant.publish_data(payload, reliable=True, topic=TOPIC)

    async def state(self, name: str) -> None:
        await self.send(EventType.AGENT_STATE, {"state": name, "cause": "test"})

    async def words(self, role: str, text: str, *, final: bool, reply_seq: int | None = None) -> None:
        await self.send(EventType.TRANSCRIPT, {"role": role, "text": text, "final": final}, reply_seq)

    async def interrupted(self, reply_seq: int) -> None:
        await self.send(EventType.REPLY_END, {"cause": ReplyCause.INTERRUPTED.value}, reply_seq)

    async def leave(self) -> None:
        await self.room.disconnect()


@pytest_asyncio.fixture(loop_scope="module")
async def agent(livekit: MediaServer) -> AsyncIterator[StandInAgent]:
    standing_in = StandInAgent(livekit)
    try:
        yield standing_in
    finally:
        await standing_in.leave()


@pytest_asyncio.fixture(loop_scope="module")
async def watched(browser: Browser) -> AsyncIterator[Watched]:
    async with open_page(browser) as page:
        yield page


@pytest.fixture
def settings_for(library_dir: Path) -> Callable[[MediaServer], TokenSettings]:
    return lambda server: TokenSettings(server.url, server.api_key, server.api_secret, library_dir)


@pytest_asyncio.fixture(loop_scope="module")
async def product(
    livekit: MediaServer, agent: StandInAgent, settings_for: Callable[[MediaServer], TokenSettings]
) -> AsyncIterator[str]:
    """Address of the page; the stand-in agent joins the room that the page asks for."""
    async with serve_token_app(make_token_app(settings_for(livekit), agent.join)) as url:
        yield url


def write_voice(path: Path, spoken_s: tuple[tuple[float, float], ...], length_s: float) -> Path:
    """A 48 kHz WAV with a buzz that a noise suppressor takes for a voice, from and to the times in `spoken_s`."""
    t = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    pitch = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 2.3 * t)) / RATE_HZ
    voice = sum(np.sin(n * pitch) / n for n in range(1, 25)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    gate = np.zeros_like(t)
    for start, end in spoken_s:
        gate[int(start * RATE_HZ) : int(end * RATE_HZ)] = 1.0
    soundfile.write(path, (0.25 * voice * gate).astype(np.float32), RATE_HZ, subtype="PCM_16")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(browser: Browser, library_dir: Path) -> AsyncIterator[Page]:
    """The product page, in no call: no media server is behind it."""
    settings = TokenSettings("ws://127.0.0.1:1", "key", "s" * 32, library_dir)
    async with serve_token_app(make_token_app(settings)) as url:
        page = await browser.new_page()
        await page.goto(url)
        yield page
        await page.close()
