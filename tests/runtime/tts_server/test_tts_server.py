"""`earwitness serve-tts` as clients meet it: streams, cancels, and a worker that dies."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest

from harness.tts_regression.server import tts_server
from harness.tts_regression.stress import stress
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.tts_server.backoff import Backoff
from runtime.tts_server.crash_ring import KEPT_DUMPS, RequestRing, RequestState, write_dump

ROOT = Path(__file__).parents[3]
SHORT = "One moment, please."
LONG = "It goes on and on, for much longer than anybody cares to listen. " * 60
HANG_TIMEOUT_S = 60.0

pytestmark = pytest.mark.usefixtures("no_process_left")


@asynccontextmanager
async def served(
    folder: Path, concurrency: int = 1, *, spare: bool = False
) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async with asyncio.timeout(HANG_TIMEOUT_S), tts_server(folder, concurrency=concurrency, spare=spare) as url:
        async with aiohttp.ClientSession() as client:
            yield client, url


async def said(client: aiohttp.ClientSession, url: str, text: str, **more: str) -> bytes:
    async with client.post(f"{url}/tts/stream", json={"text": text, **more}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def test_a_cancelled_stream_is_cut_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, url):
        quiet = await said(client, url, SHORT)
        assert quiet == await said(client, url, SHORT)
        assert np.abs(np.frombuffer(quiet, "<i2").astype(int)).max() > 3_000, "it is loud"
        async with client.post(f"{url}/tts/stream", json={"text": LONG, "request_id": "mine"}) as answer:
            assert answer.content_type == "audio/pcm"
            assert answer.headers["Content-Type"].endswith("rate=22050")
            assert answer.headers["X-Request-Id"] == "mine"
            await answer.content.readexactly(2_000)
            twice = await client.post(f"{url}/tts/stream", json={"text": SHORT, "request_id": "mine"})
            cancelled = await client.post(f"{url}/tts/cancel", json={"request_id": "mine"})
            assert twice.status == 409
            assert cancelled.status == 200, "we did not read on, so it cannot have ended"
            assert (await cancelled.json())["state"] == "cancelled"
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        assert await said(client, url, SHORT) == quiet
        unknown = await client.post(f"{url}/tts/cancel", json={"request_id": "mine"})
        assert unknown.status == 404
        health = await (await client.get(f"{url}/health")).json()
        assert health["status"] == "ok"
        assert health["in_progress"] == 0
        assert health["speaks"]["engine"] == "espeak-ng"
        assert sum(health["ended"].values()) == 4


@pytest.mark.parametrize("spare", [True, False], ids=["a second one waits", "a new one starts"])
async def test_who_comes_after_the_worker_died_is_served_by_the_next_one(tmp_path: Path, spare: bool) -> None:
    async with served(tmp_path, spare=spare) as (client, url):
        quiet = await said(client, url, SHORT)
        first = (await (await client.get(f"{url}/health")).json())["worker_pid"]
        async with client.post(f"{url}/tts/stream", json={"text": LONG, "request_id": "lost"}) as answer:
            await answer.content.readexactly(2_000)
            os.kill(first, signal.SIGKILL)  # we did not read on, so it has it in hand
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        assert await said(client, url, SHORT) == quiet, "it waited until there was somebody to speak"
        health = await (await client.get(f"{url}/health")).json()
        assert (health["restarts"], health["last_exit"]) == (1, "signal SIGKILL")
        assert health["worker_pid"] != first
    (dump,) = (tmp_path / "crashes").glob("crash-*.json")
    told = json.loads(dump.read_text())
    assert told["cause"] == "signal SIGKILL"
    assert [(one["text"], one["state"]) for one in told["requests"]] == [(SHORT, "done"), (LONG, "speaking")]
    assert told["in_progress"] == ["lost"]
    assert dump.stat().st_mode & 0o077 == 0, "what people said is nobody else's"


async def test_rude_clients_leave_no_trace(tmp_path: Path) -> None:
    """A short form of benchmarks/tts_stress.py."""
    async with served(tmp_path, concurrency=2, spare=True) as (_, url):
        found = await stress(url, rounds=10, seed=4, block=3)
    assert found.rounds == 10
    assert found.unexplained == []
    assert found.polluted == []
    assert found.compared >= 8
    assert (found.kills, found.restarts) == (1, 1)
    assert found.in_progress_at_end == 0
    assert len(list((tmp_path / "crashes").glob("crash-*.json"))) == 1


async def test_wrong_requests_are_told_so_and_a_key_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_TTS_KEY", "a-key-of-this-test")
    async with served(tmp_path) as (client, url):
        assert (await client.post(f"{url}/tts/stream", json={"text": SHORT})).status == 401
        assert (await client.get(f"{url}/health")).status == 200
        client.headers["Authorization"] = "Bearer a-key-of-this-test"
        for body, says in (
            ({"text": "  "}, "text"),
            ({"text": "a\0b"}, "NUL"),
            ({"text": "x" * 5_000}, "text"),
            ({"words": "x"}, "words"),
            ({"text": SHORT, "voice": "de"}, "en-us"),
            ({"text": SHORT, "request_id": "a b"}, "request_id"),
        ):
            answer = await client.post(f"{url}/tts/stream", json=body)
            assert answer.status == 400, body
            assert says in (await answer.json())["error"]["message"] or says == "words"
        for text in ("…", "\u202e\ufffd", "日本"):  # nothing to say is no failure
            await said(client, url, text)
        assert await said(client, url, SHORT)
    assert "a-key-of-this-test" not in (tmp_path / "tts_server.log").read_text()


async def test_a_voice_that_does_not_exist_ends_the_command_at_once(tmp_path: Path) -> None:
    command = (
        "-m",
        "harness.commands.main",
        "serve-tts",
        "--port",
        "0",
        "--voice",
        "qq",
        "--crash-dumps",
        str(tmp_path),
    )
    started = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(HANG_TIMEOUT_S):
            out, errors = await started.communicate()
    finally:
        if started.returncode is None:
            started.terminate()
            await started.wait()
    assert started.returncode == 3
    assert out == b""
    assert b"qq" in errors


async def test_a_long_segment_that_is_cut_short_does_not_hang_its_engine() -> None:
    engine = EspeakTextToSpeech()
    try:
        async with asyncio.timeout(HANG_TIMEOUT_S):
            for _ in range(2):
                async with aclosing(engine.speak(LONG)) as chunks:
                    assert len(await anext(chunks))
            assert sum([len(chunk) async for chunk in engine.speak(SHORT)])
    finally:
        await engine.aclose()


async def test_what_was_said_before_does_not_change_what_is_said() -> None:
    """espeak-ng whose voice is loaded anew for each segment says something else after a hundred of them."""
    engine = EspeakTextToSpeech()
    texts = (SHORT, "Would you like me to book that table for tonight, or for tomorrow?", f"It is {'very ' * 30}late.")
    try:
        heard: dict[str, set[bytes]] = {text: set() for text in texts}
        for _ in range(45):
            for text in texts:
                heard[text].add(b"".join([chunk.tobytes() async for chunk in engine.speak(text)]))
        assert [len(sounds) for sounds in heard.values()] == [1, 1, 1]
    finally:
        await engine.aclose()


def test_a_worker_that_keeps_dying_is_started_less_and_less_often() -> None:
    backoff = Backoff(first_s=0.1, factor=2, most_s=1.0, stable_s=20)
    assert [backoff.after(0.5) for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert backoff.after(25.0) == pytest.approx(0.1), "a long life wipes what was before"
    assert backoff.after(0.5) == pytest.approx(0.2)


def test_the_ring_keeps_what_is_in_progress_and_the_latest_of_the_rest(tmp_path: Path) -> None:
    ring = RequestRing(size=4)
    ring.note({"id": "old", "state": RequestState.SPEAKING, "text": "a"})
    rng = random.Random(1)
    for index in range(20):
        ring.note({"id": f"{index}", "state": RequestState.QUEUED, "text": f"{rng.random()}"})
        ring.note({"id": f"{index}", "state": RequestState.DONE, "n_samples": index})
    assert [record["id"] for record in ring.requests()] == ["old", "17", "18", "19"]
    told = json.loads(write_dump(tmp_path, {"cause": "a test"}, ring).read_text())
    assert told["in_progress"] == ["old"]
    assert told["requests"][-1]["n_samples"] == 19
    ring.worker_died()
    assert ring.in_progress() == []
    for _ in range(KEPT_DUMPS + 5):
        last = write_dump(tmp_path, {"cause": "a test"}, ring)
    dumps = sorted(tmp_path.iterdir())
    assert len(dumps) == KEPT_DUMPS
    assert dumps[-1] == last


async def test_a_supervisor_that_is_killed_takes_its_worker_with_it(tmp_path: Path) -> None:
    command = ("-m", "runtime.tts_server", "--port", "0", "--crash-dumps", str(tmp_path))
    started = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(HANG_TIMEOUT_S):
            assert started.stdout is not None
            assert (await started.stdout.readline()).startswith(b"TTS at http://127.0.0.1:")
    finally:
        family = psutil.Process(started.pid).children(recursive=True)
        started.kill()
        await started.wait()
    assert len(family) >= 3, "the worker and its two engines"
    _, alive = psutil.wait_procs(family, timeout=HANG_TIMEOUT_S)
    assert not alive
