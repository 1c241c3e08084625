"""What must not break an attempt: each fault has its named status, leaves readable recordings, and nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import soundfile
from aiohttp import web
from livekit import api

from harness.live import greeting
from harness.live.bench import Bench
from harness.model.capture import read_manifest
from harness.model.plan import AgentSpec, BuiltCase, PageSpec
from harness.model.status import CaptureStatus
from tests.live.conftest import OpenBench, misbehaving

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]


def impatient(built: BuiltCase, reply_timeout_ms: float = 2_500.0) -> BuiltCase:
    """The same case with less patience, so that the test does not wait for what does not come."""
    case = built.case.model_copy(update={"max_reply_ms": 2_000.0, "reply_timeout_ms": reply_timeout_ms})
    return BuiltCase(case, built.wav, built.truth, built.path)


async def rooms_left(b: Bench) -> list[str]:
    answer = await b.scene.rooms.service.room.list_rooms(api.ListRoomsRequest())
    return [room.name for room in answer.rooms]


def recordings_are_readable(folder: Path) -> None:
    wavs = list(folder.glob("*.wav"))
    assert wavs
    for wav in wavs:
        soundfile.read(wav)
    assert read_manifest(folder).status is not CaptureStatus.OK


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        ("absent", CaptureStatus.AGENT_ABSENT),
        ("silent", CaptureStatus.REPLY_TIMEOUT),
        ("noise", CaptureStatus.REPLY_ENDLESS),
        ("crash", CaptureStatus.AGENT_CRASH),
        ("leaves", CaptureStatus.AGENT_CRASH),
        ("endless", CaptureStatus.REPLY_ENDLESS),
    ],
)
async def test_an_agent_that_misbehaves_gets_its_name(
    bench: OpenBench,
    built: Callable[[str], BuiltCase],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    status: CaptureStatus,
) -> None:
    monkeypatch.setattr(greeting, "GREETING_LIMIT_S", 3.0)
    agent = misbehaving(mode)
    case = built("endpoint_short_hello")  # patient with a reply that comes, and breaks off: it may be late
    if mode in ("silent", "noise"):
        case = impatient(case)
    elif mode == "endless":
        case = impatient(case, reply_timeout_ms=8_000.0)
    async with bench(agent=replace(agent, join_s=4.0) if mode == "absent" else agent) as b:
        folder, manifest = await b.attempt(case)
        assert manifest.status is status, manifest.detail
        assert manifest.detail
        assert await rooms_left(b) == []
    recordings_are_readable(folder)


async def test_an_agent_that_knows_nothing_of_us_is_tested_all_the_same(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench(agent=misbehaving("good")) as b:
        folder, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.pre_rtc_reason is not None
    assert (folder / "post_rtc.wav").is_file()


async def test_a_worker_that_nobody_registered_is_unavailable(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench(agent=AgentSpec("dispatch", "nobody", join_s=3.0)) as b:
        _, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.AGENT_UNAVAILABLE
    assert "nobody" in manifest.detail


async def attempt_until(b: Bench, case: BuiltCase, phase: str, then: Callable[[], None]) -> tuple[Path, CaptureStatus]:
    """One attempt; `then` is called when it enters `phase`."""

    def on_phase(name: str) -> None:
        if name == phase:
            asyncio.get_running_loop().call_later(0.7, then)  # into the phase, not at its edge

    folder, manifest = await b.attempt(case, on_phase)
    return folder, manifest.status


async def test_a_media_server_that_dies_ends_the_run(bench: OpenBench, built: Callable[[str], BuiltCase]) -> None:
    async with bench() as b:
        assert b.server.pid is not None
        pid = b.server.pid
        folder, status = await attempt_until(
            b, built("long_reply_story"), "speak", lambda: os.kill(pid, signal.SIGKILL)
        )
        assert status is CaptureStatus.SERVER_LOST
        assert b.broken is not None
    recordings_are_readable(folder)
    assert (folder / "post_user.wav").is_file()


async def test_a_browser_that_dies_keeps_what_was_heard_and_the_next_attempt_works(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    def kill_chromium() -> None:
        for process in psutil.Process().children(recursive=True):
            if "chrom" in process.name() and "--type=" not in " ".join(process.cmdline()):
                process.kill()

    async with bench(lane="browser") as b:
        folder, status = await attempt_until(b, built("long_reply_story"), "speak", kill_chromium)
        assert status is CaptureStatus.BROWSER_CRASH
        recordings_are_readable(folder)
        assert (folder / "ear.wav").is_file()
        _, manifest = await b.attempt(built("endpoint_short_hello"))
        assert manifest.status is CaptureStatus.OK, manifest.detail


async def test_the_reference_agent_that_dies_is_named_and_comes_back(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench() as b:
        pid = b.scene.agent.pid  # type: ignore[attr-defined]
        folder, status = await attempt_until(
            b, built("long_reply_story"), "speak", lambda: os.kill(pid, signal.SIGKILL)
        )
        assert status is CaptureStatus.AGENT_CRASH
        recordings_are_readable(folder)
        _, manifest = await b.attempt(built("endpoint_short_hello"))
        assert manifest.status is CaptureStatus.OK, manifest.detail


PAGES = {
    "never": "<!doctype html><title>never connects</title><p>nothing happens here",
    "throws": "<!doctype html><title>throws</title><script>throw new Error('the page is broken')</script>",
}


@pytest.mark.parametrize("page", list(PAGES))
async def test_a_page_that_does_not_get_into_the_call_is_a_page_error(
    bench: OpenBench, built: Callable[[str], BuiltCase], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr("harness.live.user.MIC_ASK_TIMEOUT_S", 4.0)

    async def serve(request: web.Request) -> web.Response:
        return web.Response(text=PAGES[request.match_info["name"]], content_type="text/html")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/{page}?t={{token}}"
        async with bench(lane="browser", page=PageSpec(url)) as b:
            folder, manifest = await b.attempt(built("endpoint_short_hello"))
            assert await rooms_left(b) == []
    finally:
        await runner.cleanup()
    assert manifest.status is CaptureStatus.PAGE_ERROR, manifest.detail
    if page == "throws":
        assert "the page is broken" in manifest.detail
    recordings_are_readable(folder)
