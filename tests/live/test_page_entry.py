"""Pages with ways of their own into the call: each gets in, or ends in time with the sentence that says what keeps it out.

The pages are the zoo's (tests/zoo/pages); the agent behind them is the misbehaving one in its good mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import soundfile
from aiohttp import web

from harness.live.bench import Bench
from harness.model.capture import EAR, MIC, POST_USER, SCREENSHOT
from harness.model.plan import BuiltCase, PageSpec
from harness.model.status import CaptureStatus
from harness.provide.page_library import find_page_library
from tests.live.conftest import OpenBench, misbehaving

pytestmark = pytest.mark.live

PAGES = Path(__file__).parents[1] / "zoo" / "pages"
HELLO = "endpoint_short_hello"
ENDS_S = 180.0  # with the starts of a media server and of Chromium


class Site:
    """The zoo's pages over HTTP, with a token endpoint of their own. `bench` mints its tokens."""

    def __init__(self) -> None:
        self.url = ""
        self.bench: Bench | None = None

    async def token(self, request: web.Request) -> web.Response:
        assert self.bench is not None
        rooms = self.bench.scene.rooms
        return web.Response(text=rooms.token(request.query["room"], request.query["identity"], {}))

    def page(self, name: str, script: str | None = None) -> PageSpec:
        template = f"{self.url}/{name}.html?url={{livekit_url}}&token={{token}}"
        return PageSpec(template, PAGES / script if script is not None else None)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    library = find_page_library()
    assert library is not None
    served, app = Site(), web.Application()
    app.router.add_get("/token", served.token)
    app.router.add_static("/vendor", library.path)
    app.router.add_static("/", PAGES)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()


@pytest.fixture
async def play(bench: OpenBench, site: Site, built: Callable[[str], BuiltCase]):
    async def attempt(name: str, *, script: str | None = None, mic: str = "scheduled"):
        async with bench(misbehaving("good"), "browser", mic, site.page(name, script)) as opened:
            site.bench = opened
            return await opened.attempt(built(HELLO))

    return attempt


@pytest.mark.parametrize(
    ("name", "script"),
    [("throws_and_joins", None), ("late_button", "late_button.js"), ("microphone_twice", None)],
)
async def test_a_page_with_ways_of_its_own_is_in_the_call(play, name: str, script: str | None) -> None:
    folder, manifest = await play(name, script=script)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.page.identity == "user"
    if name == "throws_and_joins":
        assert "analytics" in (folder / "console.jsonl").read_text()


async def test_a_page_that_joins_as_somebody_else_is_found_and_heard(play) -> None:
    folder, manifest = await play("own_identity")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.page.identity == "guest-7f3a"
    second_listener, _ = soundfile.read(folder / POST_USER)
    assert abs(second_listener).max() > 0.01  # the user's voice, and not the agent's second track


@pytest.mark.parametrize("name", ["microphone_first", "microphone_twice"])
async def test_a_page_that_connects_with_its_device_in_hand_is_lent_it(play, name: str) -> None:
    folder, manifest = await play(name, mic="device")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    for recording in (MIC, EAR):
        heard, _ = soundfile.read(folder / recording)
        assert abs(heard).max() > 0.01


@pytest.mark.parametrize(
    ("name", "in_vain", "limit_s", "sentence"),
    [
        (
            "lobby", "entering.ROOM_TIMEOUT_S", 4.0,
            "did not connect to a media server within 4 s of asking for the microphone, which it had been given",
        ),
        ("other_room", "entering.ROOM_TIMEOUT_S", 10.0, "joined the room 'somewhere-else' as 'guest-7f3a'"),
        (
            "broken", "user.MIC_ASK_TIMEOUT_S", 4.0,
            "did not ask for the microphone within 4 s (its last error: Cannot read properties of null",
        ),
    ],
)  # fmt: skip
async def test_a_page_that_does_not_come_into_the_room_says_why_in_time(
    play, monkeypatch: pytest.MonkeyPatch, name: str, in_vain: str, limit_s: float, sentence: str
) -> None:
    """`in_vain`: the one limit that is waited for; `limit_s` has room for what the page does before."""
    monkeypatch.setattr(f"harness.live.{in_vain}", limit_s)
    async with asyncio.timeout(ENDS_S):
        folder, manifest = await play(name)
    assert manifest.status is CaptureStatus.PAGE_ERROR
    assert sentence in manifest.detail
    assert (folder / SCREENSHOT).is_file()
