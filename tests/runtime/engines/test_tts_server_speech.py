"""Speech by a TTS server of ours: streamed unchanged, cancelled by its request, and chosen by file or by environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from runtime.engines.build import SUPERVISED_REST_S, EngineBuilder
from runtime.engines.endpoint import Endpoint, EngineAnswerError, StreamCutError
from runtime.engines.espeak import EspeakTextToSpeech
from runtime.engines.fallback_tts import FallbackTextToSpeech
from runtime.engines.openai_speech import SpeechEndpoint
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.tts_server_speech import TtsServerSpeech
from runtime.loopback import serving
from runtime.settings import RuntimeSettings, SettingsError, load_settings
from runtime.tts_server.app import Speaks, TtsServer
from runtime.tts_server.voices import Voices
from tests.runtime.engines.conftest import KEY, PATIENT, Misbehaving, Tone, answers, streams

RATE_HZ = 22_050
WAIT_S = 30.0
KEYS = {"LIVEKIT_URL": "ws://h", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}


class Endless(Tone):
    """Goes on until it is stopped."""

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        if text == "short":
            async with aclosing(super().speak(text)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        while True:
            yield np.full(self.rate_hz // 100, self.level, np.int16)
            await asyncio.sleep(0.001)


@dataclass
class Served:
    """A TTS server of one voice, and what it told of its requests."""

    engine: Tone
    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)

    def speech(self, key: str | None = KEY, rate_hz: int = RATE_HZ, voice: str | None = None) -> TtsServerSpeech:
        return TtsServerSpeech(Endpoint("tts", self.url, key, PATIENT), rate_hz, voice)

    def states(self, text: str) -> list[str]:
        (request,) = {told["id"] for told in self.told if told.get("text") == text}
        return [told["state"] for told in self.told if told["id"] == request]


async def serve(engine: Tone) -> AsyncIterator[Served]:
    served = Served(engine)
    voices = Voices([engine])
    await voices.warm_up()
    server = TtsServer(voices, Speaks("tone", "1", "low", RATE_HZ, {}), served.told.append, KEY)
    async with serving(server.app(), 0, cancel_with_client=True) as served.url:
        yield served
    await server.aclose()


@pytest.fixture
async def short() -> AsyncIterator[Served]:
    async for served in serve(Tone(1_000, RATE_HZ)):
        yield served


@pytest.fixture
async def endless() -> AsyncIterator[Served]:
    async for served in serve(Endless(1_000, RATE_HZ)):
        yield served


async def spoken(tts: TtsServerSpeech, text: str = "Hello") -> Int16Array:
    try:
        chunks = [chunk async for chunk in tts.speak(text)]
    finally:
        await tts.aclose()
    return np.concatenate(chunks) if chunks else np.empty(0, np.int16)


async def test_what_the_server_speaks_comes_over_unchanged(short: Served) -> None:
    tts = short.speech(voice="low")
    await tts.warm_up()
    assert np.array_equal(await spoken(tts), np.full(len("Hello") * (RATE_HZ // 100), 1_000))
    assert short.states("Hello") == ["queued", "speaking", "done"]
    assert tts.metrics.snapshot()["completed"] == 2


async def test_what_is_not_wanted_any_more_is_cancelled_by_its_request_and_the_next_one_finds_the_voice_free(
    endless: Served,
) -> None:
    tts = endless.speech()
    async with asyncio.timeout(WAIT_S):
        async with aclosing(tts.speak("a long story")) as chunks:
            assert len(await anext(chunks))
        assert endless.states("a long story") == ["queued", "speaking", "cancelled"]
        assert len(await spoken(tts, "short"))
    assert tts.metrics.cancelled == 1
    assert tts.health().ok, "what the user does is no fault of the engine"


async def test_a_turn_that_is_cancelled_cancels_its_request(endless: Served) -> None:
    tts = endless.speech()
    heard = asyncio.Event()

    async def turn() -> None:
        async with aclosing(tts.speak("a long story")) as chunks:
            async for _ in chunks:
                heard.set()

    task = asyncio.create_task(turn())
    async with asyncio.timeout(WAIT_S):
        await heard.wait()
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    assert endless.states("a long story")[-1] == "cancelled"
    await tts.aclose()


async def test_a_voice_that_breaks_off_is_an_error_after_what_came() -> None:
    async for served in serve(Tone(1_000, RATE_HZ, fail_after=3)):
        tts = served.speech()
        chunks = tts.speak("Hello")
        assert len(await anext(chunks))
        with pytest.raises(StreamCutError):
            _ = [chunk async for chunk in chunks]
        await tts.aclose()


async def test_a_wrong_key_another_rate_or_another_voice_is_told_at_warm_up_without_the_key(short: Served) -> None:
    for tts, says in (
        (short.speech(key="sk-wrong"), "401"),
        (short.speech(rate_hz=16_000), "22050 Hz, configured is rate_hz = 16000"),
        (short.speech(voice="high"), "'low' only"),
    ):
        with pytest.raises(EngineError, match=says) as failed:
            await tts.warm_up()
        assert "sk-wrong" not in str(failed.value)
        await tts.aclose()


@pytest.mark.parametrize("status", [404, 500])
async def test_a_cancel_that_the_server_refuses_ends_the_turn_all_the_same(
    misbehaving: Misbehaving, status: int
) -> None:
    stream, refusal = streams(b"\0\0" * 400, misbehaving.never, kind="audio/pcm;rate=22050"), answers(status, b"no")

    async def either(request: Any) -> Any:
        return await (refusal if request.path == "/tts/cancel" else stream)(request)

    misbehaving.answering = either
    tts = TtsServerSpeech(misbehaving.endpoint(), RATE_HZ, None)
    async with asyncio.timeout(WAIT_S):
        async with aclosing(tts.speak("Hello")) as chunks:
            assert len(await anext(chunks))
        await misbehaving.gone.wait()
    await tts.aclose()


async def test_a_server_that_is_full_is_an_error_in_words(misbehaving: Misbehaving) -> None:
    misbehaving.answering = answers(503, b'{"error": {"message": "32 requests are waiting already"}}')
    with pytest.raises(EngineAnswerError, match="32 requests are waiting"):
        await spoken(TtsServerSpeech(misbehaving.endpoint(), RATE_HZ, None))


async def test_metrics_tell_how_requests_ended_and_not_what_was_said(short: Served) -> None:
    assert len(await spoken(short.speech(), "Hello"))
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"{short.url}/metrics")).status == 401
        answer = await client.get(f"{short.url}/metrics", headers={"Authorization": f"Bearer {KEY}"})
        text = await answer.text()
    for line in (
        'earwitness_tts_requests_total{ended="done"} 1.0',
        "earwitness_tts_in_progress 0.0",
        "earwitness_tts_first_sound_seconds_count 1.0",
        "earwitness_tts_spoken_seconds_total 0.0498",
    ):
        assert line in text
    assert "Hello" not in text


def settings_with(tmp_path: Path, text: str | None, **more: str) -> RuntimeSettings:
    env = dict(KEYS) | more
    if text is not None:
        path = tmp_path / "engines.toml"
        path.write_text(text)
        env["EARWITNESS_ENGINES"] = str(path)
    return load_settings(env)


def test_a_file_chooses_the_server_and_its_key_stands_in_the_environment(tmp_path: Path) -> None:
    text = '[tts]\nkind = "tts-server"\nurl = "http://127.0.0.1:8091"\napi_key_env = "MY_TTS_KEY"\n'
    settings = settings_with(tmp_path, text)
    tts = EngineBuilder(settings, {"MY_TTS_KEY": KEY}).build().tts
    assert isinstance(tts, TtsServerSpeech)
    assert tts.rate_hz == RATE_HZ
    with pytest.raises(SettingsError, match="MY_TTS_KEY is not set"):
        EngineBuilder(settings, {}).build()


@pytest.mark.parametrize("text", [None, '[llm]\nkind = "embedded"\n'])
def test_an_agent_that_is_told_of_a_server_speaks_through_it_with_its_own_voice_in_reserve(
    tmp_path: Path, text: str | None
) -> None:
    settings = settings_with(tmp_path, text, EARWITNESS_TTS_SERVER="http://127.0.0.1:8091")
    tts = EngineBuilder(settings, {"EARWITNESS_TTS_KEY": KEY}).build().tts
    assert isinstance(tts, FallbackTextToSpeech)
    assert isinstance(tts.first, TtsServerSpeech)
    assert isinstance(tts.reserve, EspeakTextToSpeech)
    assert tts.breaker.rest_s == SUPERVISED_REST_S


def test_a_voice_that_the_file_names_goes_before_the_server(tmp_path: Path) -> None:
    text = '[tts]\nkind = "openai"\nurl = "http://h/v1"\nmodel = "m"\nvoice = "v"\n'
    settings = settings_with(tmp_path, text, EARWITNESS_TTS_SERVER="http://127.0.0.1:8091")
    assert isinstance(EngineBuilder(settings, {}).build().tts, SpeechEndpoint)


@pytest.mark.parametrize("address", ["127.0.0.1:8091", "http://me:secret@127.0.0.1:8091", "http://h/tts/stream"])
def test_an_address_that_is_none_is_refused_without_showing_what_it_holds(address: str) -> None:
    with pytest.raises(SettingsError, match="EARWITNESS_TTS_SERVER: expected http://HOST:PORT") as refused:
        load_settings(KEYS | {"EARWITNESS_TTS_SERVER": address})
    assert "secret" not in str(refused.value)
