"""A site of small pages on loopback, and a recorder of what a session hears. 48 kHz, int16 spoken, float32 heard."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from aiohttp import web

from harness.browser.driver import RATE_HZ, AudioBlock, Browser, PageSession, launch_browser
from harness.listen.read.ear_clock import find_steps

EVENT_TIMEOUT_S = 60.0
HEARING_TIMEOUT_S = 90.0

# A call of the page with itself: what the microphone says comes back as the agent, through real WebRTC.
CALL_JS = """
async function call({ play, muted = false }) {
  const here = new RTCPeerConnection();
  const there = new RTCPeerConnection();
  here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
  there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
  there.ontrack = ({ streams: [stream] }) => {
    window.agentStream = stream;
    if (!play) return;
    const audio = document.createElement("audio");
    audio.autoplay = true;
    audio.muted = muted;
    audio.srcObject = stream;
    document.body.append(audio);
    window.player = audio;
  };
  const constraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
  for (const track of stream.getTracks()) here.addTrack(track, stream);
  await here.setLocalDescription();
  await there.setRemoteDescription(here.localDescription);
  await there.setLocalDescription();
  await here.setRemoteDescription(there.localDescription);
}
"""
STRICT_CSP = "default-src 'none'; script-src 'self'; connect-src 'none'; worker-src 'none'"
SCRIPTS = {
    "call.js": CALL_JS,
    "talks.js": "call({ play: true });",
    "talks_muted.js": "call({ play: true, muted: true });",
    "plays_nothing.js": "call({ play: false });",
    "plays_first.js": """
        (async () => {
          const here = new RTCPeerConnection();
          const there = new RTCPeerConnection();
          here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
          there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
          const { sender } = here.addTransceiver('audio');
          there.ontrack = async ({ track }) => {
            const audio = document.createElement('audio');
            audio.srcObject = new MediaStream([track]);
            await audio.play().catch(({ name }) => console.error(name));
            const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
            await sender.replaceTrack(stream.getAudioTracks()[0]);
          };
          await here.setLocalDescription();
          await there.setRemoteDescription(here.localDescription);
          await there.setLocalDescription();
          await here.setRemoteDescription(there.localDescription);
        })();""",
    "throws_later.js": """
        document.body.onclick = () => { throw new Error('the agent panel broke'); };
        call({ play: true });""",
    "own_context.js": """
        const context = new AudioContext({ sampleRate: 16000 });
        window.earwitness = { trace: { state: () => 1, rate_hz: context.sampleRate } };
        call({ play: true });""",
    "asks_twice.js": """
        (async () => {
          const probe = await navigator.mediaDevices.getUserMedia({ audio: true });
          for (const track of probe.getTracks()) track.stop();
          call({ play: true });
        })();""",
}  # fmt: skip


def page_of(*scripts: str) -> str:
    tags = "".join(f'<script src="{name}"></script>' for name in ("call.js", *scripts))
    return f"<!doctype html><title>page under test</title><link rel=icon href=data:,><body>{tags}</body>"


PAGES = {
    "talks": page_of("talks.js"),
    "talks_muted": page_of("talks_muted.js"),
    "plays_first": page_of("plays_first.js"),
    "plays_nothing": page_of("plays_nothing.js"),
    "throws_later": page_of("throws_later.js"),
    "own_context": page_of("own_context.js"),
    "asks_twice": page_of("asks_twice.js"),
    "is_quiet": "<!doctype html><title>no call</title><link rel=icon href=data:,>",
    "has_a_form": "<!doctype html><form action=is_quiet><input id=name required><button id=go>Go</button></form>",
    "in_a_frame": '<!doctype html><link rel=icon href=data:,><iframe src="talks"></iframe>',
}


@pytest.fixture
async def site() -> AsyncIterator[Callable[[str], str]]:
    """Gives the URL of a page by its name. Every page has a strict content security policy."""

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        headers = {"Content-Security-Policy": STRICT_CSP + "; frame-src 'self'"}
        if name in SCRIPTS:
            return web.Response(text=SCRIPTS[name], content_type="text/javascript", headers=headers)
        if name in PAGES:
            return web.Response(text=PAGES[name], content_type="text/html", headers=headers)
        return web.Response(status=404, text="there is no such page")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        yield lambda name: f"http://127.0.0.1:{port}/{name}"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="session")
def chromium() -> Path:
    wished = os.environ.get("EARWITNESS_CHROMIUM")
    found = wished or next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    return Path(found)


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with launch_browser(chromium, mic="scheduled") as browser:
        yield browser


class Recording:
    """Everything a session hears, placed by frame."""

    def __init__(self, session: PageSession) -> None:
        self.blocks: list[AudioBlock] = []
        self._more = asyncio.Event()
        session.on_audio = self._take

    def _take(self, block: AudioBlock) -> None:
        self.blocks.append(block)
        self._more.set()

    async def reach(self, frame: int) -> None:
        """Wait until everything before `frame` has been heard."""
        async with asyncio.timeout(HEARING_TIMEOUT_S):
            while not self.blocks or self.blocks[-1].end_frame < frame:
                self._more.clear()
                await self._more.wait()

    async def reach_further(self, frames: int) -> None:
        """Wait until `frames` more have been heard than up to now."""
        if not self.blocks:
            await self.reach(0)
        await self.reach(self.blocks[-1].end_frame + frames)

    def mic(self, start: int, end: int) -> npt.NDArray[np.float32]:
        return self._placed("mic", start, end)

    def ear(self, start: int, end: int) -> npt.NDArray[np.float32]:
        return self._placed("ear", start, end)

    def told(self, start: int, end: int) -> npt.NDArray[np.bool_]:
        """Which frames were heard: a context that waits for a processor skips some, and its blocks say so."""
        known = np.zeros(end - start, dtype=np.bool_)
        for block in self.blocks:
            known[max(0, block.frame - start) : max(0, block.end_frame - start)] = True
        return known

    def spoke(self, start: int, samples: npt.NDArray[np.int16]) -> None:
        """The microphone has `samples` from `start` on, to the value."""
        known = self.told(start, start + len(samples))
        assert known.mean() > 0.5, "a context that runs skips less"
        np.testing.assert_array_equal(self.mic(start, start + len(samples))[known] * 32768, samples[known])

    def _placed(self, side: str, start: int, end: int) -> npt.NDArray[np.float32]:
        first = self.blocks[0].frame
        whole = np.zeros(self.blocks[-1].end_frame - first, dtype=np.float32)
        for block in self.blocks:
            whole[block.frame - first : block.end_frame - first] = getattr(block, side)
        return whole[start - first : end - first]


def stood_still(session: PageSession, start: int, end: int) -> bool:
    """Whether the ear's clock stepped there, as on a busy host: what a page's own context plays is then put beside its place."""
    steps = find_steps(np.array(session.instants))
    return any(step.before > start and step.after < end for step in steps)


def with_late(
    ear: npt.NDArray[np.float32], begin: int, late: list[tuple[int, npt.NDArray[np.float32]]]
) -> npt.NDArray[np.float64]:
    """The ear from frame `begin` on, with what came when its block was gone: so a call's recording has it."""
    whole = ear.astype(np.float64)
    for frame, samples in late:
        if begin <= frame < begin + len(ear):
            piece = whole[frame - begin : frame - begin + len(samples)]
            piece += samples[: len(piece)]
    return whole


@pytest.fixture
def record() -> type[Recording]:
    return Recording


@pytest.fixture
def chirp() -> npt.NDArray[np.int16]:
    """0.4 s from 300 to 3,000 Hz: easy to find again to the sample, and Opus lets it through."""
    t = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * (300 * t + (2700 / 0.8) * t**2))
    return np.asarray(12_000 * tone * np.hanning(len(t)), dtype=np.int16)


async def within(event: asyncio.Event, timeout_s: float = EVENT_TIMEOUT_S) -> None:
    async with asyncio.timeout(timeout_s):
        await event.wait()


@pytest.fixture
def wait_for() -> Callable[[asyncio.Event], Awaitable[None]]:
    return within
