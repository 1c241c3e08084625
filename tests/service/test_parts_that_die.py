"""TTS server and page as `earwitness serve` runs them: killed, and what a caller notices of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from harness.errors import UsageError
from harness.service.parts import PagePart
from harness.service.supervisor import Supervisor
from harness.service.tts_part import DUMPS_FOLDER, TtsServerPart
from runtime.engines.breaker import CircuitBreaker
from runtime.engines.endpoint import Endpoint, Timeouts
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.engines.fallback_tts import FallbackTextToSpeech
from runtime.engines.tts_server_speech import TtsServerSpeech
from runtime.engines.turn_scope import begin_turn
from runtime.page.token_server import LIBRARY_FILE
from runtime.settings import TTS_KEY_VARIABLE

pytestmark = pytest.mark.usefixtures("no_process_left")

KEY = "a-key-of-this-test"
HANG_TIMEOUT_S = 90.0
PATIENT = Timeouts(30_000, 60_000, 60_000, 60_000)
PATIENT_MS = 60_000.0
ANSWER = "One moment, please."
LONG = "It goes on and on, for much longer than anybody cares to listen, " * 60 + "and then it ends."


@asynccontextmanager
async def supervised(part: TtsServerPart | PagePart) -> AsyncIterator[asyncio.Queue[str]]:
    """While it serves; each time that it is back is told."""
    back: asyncio.Queue[str] = asyncio.Queue()
    supervisor, ready = Supervisor([part], back.put), asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    try:
        async with asyncio.timeout(HANG_TIMEOUT_S):
            await ready.wait()
            yield back
    finally:
        supervisor.stop()
        await asyncio.gather(running)
        await part.close()


def kill(part: TtsServerPart | PagePart) -> int:
    assert part.pid is not None
    os.kill(part.pid, signal.SIGKILL)
    return part.pid


async def heard(tts: FallbackTextToSpeech | EspeakTextToSpeech, text: str) -> np.ndarray:
    return np.concatenate([chunk async for chunk in tts.speak(text)])


async def test_a_tts_server_that_is_killed_inside_a_sentence_loses_none_of_it_and_the_next_answer_is_spoken(
    tmp_path: Path,
) -> None:
    part = TtsServerPart(tmp_path, {TTS_KEY_VARIABLE: KEY}, "en-us")
    reserve = EspeakTextToSpeech()
    first = TtsServerSpeech(Endpoint("tts", part.url, KEY, PATIENT), reserve.rate_hz, None)
    tts = FallbackTextToSpeech(first, reserve, CircuitBreaker(rest_s=0.001), PATIENT_MS)
    async with supervised(part) as back:
        await tts.warm_up()
        turn = begin_turn()
        pieces = []
        async with aclosing(tts.speak(LONG)) as chunks:
            async for chunk in chunks:
                if not pieces:
                    dead = kill(part)  # nearly all of the sentence is still to be made
                pieces.append(chunk)
        whole = await heard(reserve, LONG)
        assert np.array_equal(np.concatenate(pieces)[-len(whole) :], whole), "the reserve said all of it"
        assert len(turn.degraded) == 1
        assert "the reserve spoke from the sentence's beginning" in turn.degraded[0]
        assert await back.get() == "tts-server"
        assert part.pid != dead
        turn = begin_turn()
        answer = await heard(tts, ANSWER)
        assert turn.degraded == [], "it is the server's again"
        assert np.array_equal(answer, await heard(reserve, ANSWER))
    await tts.aclose()
    (dump,) = (tmp_path / DUMPS_FOLDER).glob("crash-*.json")
    told = json.loads(dump.read_text())
    assert told["cause"] == "signal SIGKILL"
    assert len(told["in_progress"]) == 1
    assert KEY not in dump.read_text()


async def test_who_asks_a_tts_server_that_has_just_died_is_answered_by_the_next_one(tmp_path: Path) -> None:
    part = TtsServerPart(tmp_path, {TTS_KEY_VARIABLE: KEY}, "en-us", spare=False)
    async with supervised(part) as back:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(part.url, headers=headers) as client:
            dead = kill(part)
            async with client.post("/tts/stream", json={"text": ANSWER}) as answer:
                assert answer.status == 200
                assert len(await answer.read())
            assert await back.get() == "tts-server"
            health = await (await client.get("/health")).json()
            assert (health["restarts"], health["last_exit"]) == (1, "signal SIGKILL")
            assert health["worker_pid"] == part.pid != dead


@pytest.mark.parametrize("spare", [True, False], ids=["a second one waits", "a new one starts"])
async def test_a_page_that_is_killed_keeps_its_address_and_nobody_is_refused(tmp_path: Path, spare: bool) -> None:
    (tmp_path / LIBRARY_FILE).write_text("// a library")
    env = {
        "LIVEKIT_URL": "ws://127.0.0.1:1", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s" * 32,
        "EARWITNESS_CONTROL_TOKEN": KEY,
    }  # fmt: skip
    part = PagePart(tmp_path, env, tmp_path / "agent.address", tmp_path, spare=spare)
    url = part.url
    async with supervised(part) as back, aiohttp.ClientSession() as client:
        for _ in range(2):
            dead = kill(part)
            async with client.get(url) as answer:  # at once: it waits in line
                assert answer.status == 200
                assert "Earwitness" in await answer.text()
            assert await back.get() == "page"
            assert (part.url, part.pid != dead) == (url, True)


async def test_a_port_that_is_taken_is_told_with_the_option_for_another_one(tmp_path: Path) -> None:
    part = PagePart(tmp_path, {}, tmp_path / "agent.address", tmp_path)
    port = int(part.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1: .*--port"):
        PagePart(tmp_path, {}, tmp_path / "agent.address", tmp_path, port)
    await part.close()
