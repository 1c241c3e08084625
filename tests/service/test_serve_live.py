"""`earwitness serve` as a person uses it: a call on the page outlives the death of every part."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness.provide.chromium import find_chromium
from harness.provide.media_server import find_media_server
from harness.provide.page_library import find_page_library
from harness.service.state import Running, find_running
from tests.runtime.page.conftest import WAIT_MS, Watched, chromium, open_page

pytestmark = pytest.mark.live
COMMAND = [sys.executable, "-m", "harness.commands.main", "serve"]
START_TIMEOUT_S = 300.0
BACK_TIMEOUT_S = 180.0
GIVE_UP_TIMEOUT_S = 90.0  # a page tries for about 40 s to come back
IN_CALL = "() => { const s = window.earwitness.state; return s.connection === 'connected' && s.agent_audible; }"


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *words, "--state", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not all((find_media_server(), find_page_library(), find_chromium())):
        pytest.skip("media server, page library or Chromium is not provided; run `earwitness setup`")
    folder = tmp_path_factory.mktemp("serve")
    try:
        yield folder
    finally:
        command(folder, "stop")


@pytest.fixture
def served(folder: Path) -> tuple[Path, Running]:
    """One for all tests here, unless the one before has stopped it."""
    if find_running(folder) is None:
        started = command(folder, "--detach", "--port", "0", "--admin-port", "0")
        assert started.returncode == 0, started.stderr
    running = find_running(folder)
    assert running is not None
    return folder, running


async def asked(running: Running, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(running.admin + path) as answer:
        return answer.status, await answer.text()


async def parts_of(running: Running) -> dict[str, dict[str, Any]]:
    _, text = await asked(running, "/health")
    return {part["name"]: part for part in json.loads(text)["parts"]}


@asynccontextmanager
async def called(running: Running) -> AsyncIterator[Watched]:
    """A person in a call with the agent."""
    async with chromium() as browser, open_page(browser) as watched:
        await watched.page.goto(running.page)
        await watched.page.get_by_role("button", name="Connect").click()
        await watched.until(IN_CALL)
        yield watched


async def kill(running: Running, name: str) -> None:
    """Until its successor serves."""
    before = (await parts_of(running))[name]
    os.kill(before["pid"], signal.SIGKILL)
    async with asyncio.timeout(BACK_TIMEOUT_S):
        while True:
            now = (await parts_of(running))[name]
            if now["state"] == "up" and now["restarts"] > before["restarts"]:
                return
            await asyncio.sleep(0.05)  # another process's state has no event


REMEMBER_TRACKS = """() => {
    window.tracks = 0;
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
        if (node.tagName === "AUDIO") window.tracks += 1;
    }))).observe(document.body, { childList: true });
}"""
AGENT_CAME_ANEW = f"() => window.tracks > 0 && ({IN_CALL})()"


async def test_a_call_outlives_every_part_and_no_log_holds_a_secret(
    served: tuple[Path, Running],
) -> None:
    folder, running = served
    async with called(running) as watched:
        for part in ("agent", "media-server"):
            await watched.page.evaluate(REMEMBER_TRACKS)
            await kill(running, part)
            await watched.page.wait_for_function(AGENT_CAME_ANEW, timeout=WAIT_MS, polling=50)
            assert (await watched.state())["problem"] is None
        token = await watched.page.evaluate(
            "async () => (await (await fetch('api/token', { method: 'POST', headers: "
            "{ 'Content-Type': 'application/json' }, body: '{}' })).json()).token"
        )
        for part in ("tts-server", "page"):  # these hold no call
            await kill(running, part)
            assert await watched.page.evaluate(IN_CALL)
        assert await watched.page.evaluate("async () => (await fetch('.')).status") == 200
    logs = "".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
    assert "supervisor" in logs
    secrets = {running.token, token, *secrets_of(running)}
    assert not [name for name in secrets if name in logs]


def secrets_of(running: Running) -> set[str]:
    """LiveKit's secret and the control token, as the agent's process has them in its environment."""
    import psutil

    found = set()
    for child in psutil.Process(running.pid).children(recursive=True):
        environment = child.environ()
        found |= {
            environment[name] for name in ("LIVEKIT_API_SECRET", "EARWITNESS_CONTROL_TOKEN") if name in environment
        }
    assert found
    return found


async def test_health_and_metrics_tell_of_every_part_and_commands_need_the_token(served: tuple[Path, Running]) -> None:
    _, running = served
    status, text = await asked(running, "/metrics")
    assert status == 200
    for line in (
        'earwitness_part_up{part="media-server"} 1.0',
        "earwitness_agent_rooms ",
        'earwitness_part_up{part="tts-server"} 1.0',
        "earwitness_tts_in_progress ",
        "earwitness_part_memory_bytes",
    ):
        assert line in text
    assert (await asked(running, "/health"))[0] == 200
    async with aiohttp.ClientSession() as client:
        for headers in ({}, {"Authorization": "Bearer guess"}):
            async with client.post(f"{running.admin}/stop", headers=headers) as answer:
                assert answer.status == 401
        async with client.get(f"{running.admin}/health", headers={"Host": "evil.example:1"}) as answer:
            assert answer.status == 403
        async with client.get(f"{running.page}/metrics") as answer:
            assert answer.status == 401


async def test_status_restart_and_stop_do_what_they_say_and_a_call_is_told(served: tuple[Path, Running]) -> None:
    folder, running = served
    said = command(folder, "status", "--json")
    assert said.returncode == 0
    assert json.loads(said.stdout)["page"] == running.page
    assert "already" in command(folder, "--detach").stderr
    unknown = command(folder, "restart", "printer")
    assert unknown.returncode == 2
    assert "media-server, tts-server, agent, page" in unknown.stderr
    async with called(running) as watched:
        assert command(folder, "restart", "page").returncode == 0
        assert (await watched.state())["connection"] == "connected"  # the page's server holds no call
        stopped = await asyncio.to_thread(command, folder, "stop")
        assert (stopped.returncode, stopped.stdout.strip()) == (0, "stopped")
        await watched.page.wait_for_function(
            "() => window.earwitness.state.problem !== null", timeout=GIVE_UP_TIMEOUT_S * 1e3, polling=50
        )
        assert (await watched.state())["problem"]["code"] in ("call_lost", "room_closed", "agent_gone")
    gone = command(folder, "status")
    assert (gone.returncode, gone.stdout.strip()) == (3, "not running")
    assert command(folder, "stop").stdout.strip() == "not running"
    turns = json.loads(command(folder, "turns", "--json").stdout)  # Chromium's beeps may or may not pass for speech
    assert turns["unreadable_lines"] == 0
    assert [loss for loss in turns["losses"] if loss["why"] == "unexplained"] == []
