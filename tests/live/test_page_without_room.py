"""Pages that connect to their agent by themselves: heard without a room, and each failure named within its limit.

The pages and the agent behind them are in tests/live/without_room.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from harness.listen.measure import listen
from harness.model.capture import EAR, EAR_WEBM, MIC, RTC_STATS, SCREENSHOT, Manifest
from harness.model.plan import AgentSpec, BuiltCase, PageSpec
from harness.model.status import CaptureStatus
from tests.conftest import PATIENCE_MS
from tests.live.conftest import JOIN_S, OpenBench, is_overloaded
from tests.live.without_room import voice_site
from tests.live.without_room.voice_site import Site, reply_of, served

pytestmark = pytest.mark.live

HELLO = "endpoint_short_hello"
SAYS = "question_short"  # what the agent answers
PAGE = AgentSpec("page")
ABSENT = {"agent": AgentSpec("page", join_s=6.0)}
HOLDS = 180  # seconds: every call here has long ended by then, on any machine


@pytest.fixture
async def site(built: Callable[[str], BuiltCase]) -> AsyncIterator[Site]:
    async with served(reply_of(built(SAYS).wav)) as opened:
        yield opened


@pytest.fixture
async def play(bench: OpenBench, site: Site, built: Callable[[str], BuiltCase]):
    async def attempt(page: str, *, mic: str = "scheduled", agent: AgentSpec = PAGE, timeout_ms: float = PATIENCE_MS):
        url = page if "://" in page else f"{site.url}/{page}"
        spec = built(HELLO)
        spec = replace(spec, case=spec.case.model_copy(update={"reply_timeout_ms": timeout_ms}))
        async with (
            asyncio.timeout(HOLDS),
            bench(agent, "browser", mic, PageSpec(url, room=False)) as opened,
        ):
            return await opened.attempt(spec)

    return attempt


def heard_in_time(folder: Path, reply_ms: float, *, within_ms: float) -> None:
    """USER_KPI and the reply's length at the ear; on a host that was overloaded neither is to be believed."""
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    (turn,) = measurement.turns
    kpi, length = turn.metrics["user_kpi_ms"], turn.metrics["reply_ms"]
    assert measurement.validity.ok, measurement.validity.reasons
    assert kpi.value is not None
    assert 400 < kpi.value < 2_500
    assert length.value == pytest.approx(reply_ms, abs=within_ms)


def said_ms(site: Site) -> float:
    loud = abs(site.said.astype(int)) > 300
    return float(len(loud) - loud.argmax() - loud[::-1].argmax()) / voice_site.RATE_HZ * 1e3


def is_without_room(manifest: Manifest) -> bool:
    return manifest.second_listener == "none" and manifest.room == "" and manifest.agent.kind == "page"


@pytest.mark.parametrize("plays", ["graph", "file", "both"])
async def test_a_voice_over_a_websocket_is_heard_once_however_the_page_plays_it(play, site: Site, plays: str) -> None:
    folder, manifest = await play(f"socket.html?plays={plays}")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert is_without_room(manifest)
    assert not manifest.page.agent_track
    heard_in_time(folder, said_ms(site), within_ms=60)
    ear, _ = soundfile.read(folder / EAR)
    once = abs(site.said.astype(int)).max() / 32768
    assert once / 2 < abs(ear).max() < 1.1 * once, "twice would be 6 dB more; a busy page may lose its loudest moment"
    for name in (EAR_WEBM, SCREENSHOT, MIC):
        assert (folder / name).stat().st_size > 0


async def test_an_agent_inside_the_page_is_heard_with_its_statistics(play, site: Site) -> None:
    folder, manifest = await play("inside.html")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.page.agent_track
    heard_in_time(folder, said_ms(site), within_ms=120)
    assert "jitterBufferDelay" in (folder / RTC_STATS).read_text()


@pytest.mark.parametrize("page", ["socket.html?offers", "lobby.html"])
async def test_an_offer_that_a_page_made_to_nobody_is_not_its_way_to_the_agent(play, page: str) -> None:
    _, manifest = await play(page)
    assert manifest.status is CaptureStatus.OK, manifest.detail


async def test_with_the_device_microphone_the_page_connects_with_it_in_hand(play) -> None:
    folder, manifest = await play("socket.html", mic="device")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    mic, _ = soundfile.read(folder / MIC)
    assert abs(mic).max() > 0.01


async def test_a_program_that_serves_its_page_is_started_for_the_call(play, built: Callable[[str], BuiltCase]) -> None:
    program = shlex.join([sys.executable, voice_site.__file__, str(built(SAYS).wav), "{port}"])
    agent = AgentSpec("command", program, join_s=JOIN_S)
    _, manifest = await play("http://127.0.0.1:{port}/socket.html", agent=agent)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.agent.kind == "command"


@pytest.mark.parametrize(
    ("page", "in_vain", "status", "sentence"),
    [
        ("socket.html?answers=absent", ABSENT, "AGENT_ABSENT", "its WebSocket to ws://127.0.0.1"),
        ("offers.html", ABSENT, "AGENT_ABSENT", "its offer was not answered"),
        ("socket.html?answers=never", {"timeout_ms": 3_000.0}, "REPLY_TIMEOUT", "nothing was heard of the agent within 3000 ms"),
        ("socket.html?answers=crashes", {}, "AGENT_CRASH", "while a reply was due, and did not have it back within 5 s"),
        ("socket.html?answers=torn", {}, "AGENT_CRASH", "in the middle of a reply"),
        ("socket.html?leaves", {}, "PAGE_ERROR", "the page or its audio context stands still"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_named_in_time(play, page: str, in_vain: dict, status: str, sentence: str) -> None:
    """`in_vain`: a shorter limit for what never comes; what comes, and then ends, may come late on a busy host."""
    folder, manifest = await play(page, **in_vain)
    assert (manifest.status, manifest.detail) == (CaptureStatus(status), manifest.detail)
    assert sentence in manifest.detail
    assert (folder / SCREENSHOT).is_file()


async def test_a_program_that_ends_once_the_page_has_all_of_its_reply_has_hung_up(play, built, site: Site) -> None:
    program = shlex.join([sys.executable, voice_site.__file__, str(built(SAYS).wav), "{port}"])
    page = "http://127.0.0.1:{port}/socket.html?plays=file&answers=ends"
    folder, manifest = await play(page, agent=AgentSpec("command", program, join_s=JOIN_S))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert [happening.kind for happening in manifest.happenings] == ["hung_up"]
    heard_in_time(folder, said_ms(site), within_ms=60)


async def test_a_program_that_ends_before_it_answers_is_an_absent_agent(play) -> None:
    program = shlex.join([sys.executable, "-c", "raise SystemExit('no model')", "{port}"])
    _, manifest = await play("http://127.0.0.1:{port}/socket.html", agent=AgentSpec("command", program))
    assert manifest.status is CaptureStatus.AGENT_ABSENT
    assert "its process ended with 1: no model" in manifest.detail


async def test_a_program_that_ends_while_its_page_loads_is_an_absent_agent_and_no_fault_of_the_page(play) -> None:
    server = "socket.create_server(('127.0.0.1', int(sys.argv[1])))"
    ends = f"import socket, sys; s = {server}; s.accept(); s.accept(); sys.exit('no memory')"
    program = shlex.join([sys.executable, "-c", ends, "{port}"])
    agent = AgentSpec("command", program, join_s=JOIN_S)
    _, manifest = await play("http://127.0.0.1:{port}/socket.html", agent=agent)
    assert manifest.status is CaptureStatus.AGENT_ABSENT, manifest.detail
    assert "before the page was in the call, its process ended with 1: no memory" in manifest.detail
