"""`earwitness serve-engines` as a user starts it: over HTTP the embedded engines give what they give in the agent's process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile

from harness.model.plan import BuiltCase
from runtime.engines.endpoint import Endpoint, Timeouts
from runtime.engines.openai_chat import ChatModel, ChatOptions
from runtime.engines.openai_speech import SpeechEndpoint, SpeechOptions
from runtime.engines.openai_transcription import TranscriptionEndpoint, TranscriptionOptions
from runtime.engines.protocols import EngineError, Heard
from runtime.engines.wav_bytes import samples_of
from runtime.engines.websocket_stt import WebSocketSpeechToText
from tests.model import wavs

ROOT = Path(__file__).parents[3]
KEY = "sk-a-secret-of-this-test"
PATIENT = Timeouts(10_000, 60_000, 60_000, 120_000)
READY_TIMEOUT_S = 60.0

pytestmark = pytest.mark.usefixtures("no_process_left")


@asynccontextmanager
async def process(*arguments: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGINT)
        await started.communicate()


async def address_of(started: asyncio.subprocess.Process) -> str:
    assert started.stdout is not None
    async with asyncio.timeout(READY_TIMEOUT_S):
        line = (await started.stdout.readline()).decode()
    assert line.startswith("Engines at http://127.0.0.1:"), line
    return line.split()[2]


async def test_the_embedded_engines_are_served_whole(built: Callable[[str], BuiltCase]) -> None:
    sound = samples_of(built("question_short").wav.read_bytes(), 16_000)
    command = ("-m", "harness.commands.main", "serve-engines", "--port", "0", "--token-interval-ms", "0")
    async with process(*command, env={"EARWITNESS_ENGINES_KEY": KEY}) as started:
        url = await address_of(started)
        stt = TranscriptionEndpoint(Endpoint("stt", url, KEY, PATIENT), TranscriptionOptions("pocketsphinx"))
        over_socket = WebSocketSpeechToText(url.replace("http", "ws") + "/audio/stream", KEY, PATIENT)
        llm = ChatModel(Endpoint("llm", url, KEY, PATIENT), ChatOptions("scripted"))
        tts = SpeechEndpoint(Endpoint("tts", url, KEY, PATIENT), SpeechOptions("espeak-ng", "en-us"))
        try:
            heard = []
            for engine in (stt, over_socket):
                transcription = await engine.open()
                for start in range(0, len(sound), 512):
                    transcription.push(sound[start : start + 512])
                heard.append((await transcription.finish()).text)
            assert heard == ["what time is it"] * 2
            reply = "".join([t async for t in llm.open().reply(Heard(heard[0]), interrupted=False)])
            assert reply == "It is half past nine."
            chunks = [chunk async for chunk in tts.speak(reply)]
            again = [chunk async for chunk in tts.speak(reply)]
            spoken = np.concatenate(chunks)
            assert len(spoken) > 24_000, "more than a second"
            assert np.abs(spoken.astype(int)).max() > 3_000, "it is loud"
            assert np.array_equal(spoken, np.concatenate(again)), "the same text is spoken alike"
        finally:
            for engine in (stt, over_socket, llm, tts):
                await engine.aclose()


async def test_answers_are_openais_in_form(built: Callable[[str], BuiltCase]) -> None:
    """By a client that is not ours."""
    async with process("-m", "runtime.engine_server", "--port", "0", env={}) as started:
        url = await address_of(started)
        async with aiohttp.ClientSession() as client:
            models = await (await client.get(f"{url}/models")).json()
            assert {"scripted", "espeak-ng", "pocketsphinx"} == {model["id"] for model in models["data"]}
            asked = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            completion = await (await client.post(f"{url}/chat/completions", json=asked)).json()
            assert completion["choices"][0]["message"] == {"role": "assistant", "content": "Hello! How can I help?"}
            async with client.post(f"{url}/chat/completions", json={**asked, "stream": True}) as answer:
                events = [line async for line in answer.content if line.strip()]
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert events[-1].strip() == b"data: [DONE]"
            assert '"finish_reason": "stop"' in events[-2].decode()
            wav = await client.post(
                f"{url}/audio/speech", json={"input": "Hello.", "response_format": "wav", "voice": "x"}
            )
            assert len(samples_of(await wav.read(), 24_000)) > 5_000
            form = aiohttp.FormData({"model": "whisper-1", "response_format": "text"})
            form.add_field("file", built("question_short").wav.read_bytes(), filename="a.wav")
            assert await (await client.post(f"{url}/audio/transcriptions", data=form)).text() == "what time is it"
            health = await (await client.get(url.removesuffix("/v1") + "/health")).json()
            assert health["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("chat/completions", b"not json", "not JSON"),
        ("chat/completions", b"{}", "messages: Field required"),
        ("chat/completions", b'{"messages": []}', "messages"),
        ("chat/completions", b'{"messages": [{"role": "system", "content": "x"}]}', "none is the user"),
        ("audio/speech", b'{"input": ""}', "input"),
        ("audio/speech", b'{"input": "x", "response_format": "mp3"}', "response_format"),
        ("audio/transcriptions", b"{}", "multipart"),
    ],
)
async def test_a_wrong_request_is_told_so_in_openais_form(
    misguided: tuple[aiohttp.ClientSession, str], path: str, body: bytes, says: str
) -> None:
    client, url = misguided
    answer = await client.post(f"{url}/{path}", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert says in (await answer.json())["error"]["message"]


@pytest.fixture
async def misguided() -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client, and a server whose engines it never reaches."""
    from runtime.engine_server.app import EngineServer
    from runtime.engines.engine_set import Engines
    from runtime.engines.espeak import EspeakTextToSpeech
    from runtime.engines.scripted import ScriptedDialogue
    from runtime.engines.silero import SileroDetection
    from runtime.engines.sphinx import SphinxSpeechToText
    from runtime.loopback import serving

    engines = Engines(SileroDetection(), SphinxSpeechToText(), ScriptedDialogue(0.0), EspeakTextToSpeech())
    async with (
        serving(EngineServer(engines).app(), 0, cancel_with_client=True) as url,
        aiohttp.ClientSession() as client,
    ):
        yield client, f"{url}/v1"


async def test_a_sound_file_with_nan_is_refused(misguided: tuple[aiohttp.ClientSession, str], tmp_path: Path) -> None:
    client, url = misguided
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.array([0.0, np.nan, 0.5], np.float32), 16_000, subtype="FLOAT")
    for content, says in ((path.read_bytes(), "NaN"), (b"no sound at all", "not a sound file")):
        form = aiohttp.FormData()
        form.add_field("file", content, filename="a.wav")
        answer = await client.post(f"{url}/audio/transcriptions", data=form)
        assert answer.status == 400
        assert says in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("kind", [*wavs.STREAMED, *wavs.RIGHT, *wavs.UNPADDED])
def test_a_sound_file_is_read_whatever_its_header_claims(kind: str) -> None:
    data = (wavs.STREAMED | wavs.RIGHT | wavs.UNPADDED)[kind]
    assert np.array_equal(samples_of(data, wavs.RATE_HZ), wavs.SAMPLES)


@pytest.mark.parametrize("kind", wavs.CUT)
def test_a_sound_file_that_was_cut_is_refused(kind: str) -> None:
    with pytest.raises(EngineError, match="it was cut"):
        samples_of(wavs.CUT[kind], wavs.RATE_HZ)


async def test_an_agent_whose_engine_refuses_says_so_and_not_its_key(tmp_path: Path) -> None:
    """The whole process: status, one line, and no secret in all it prints, at the most talkative."""
    engines = tmp_path / "engines.toml"
    async with process(
        "-m", "runtime.engine_server", "--port", "0", env={"EARWITNESS_ENGINES_KEY": "another"}
    ) as started:
        url = await address_of(started)
        engines.write_text(f'[llm]\nkind = "openai"\nurl = "{url}"\nmodel = "m"\napi_key_env = "MY_KEY"\n')
        env = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s" * 40}
        env |= {"MY_KEY": KEY, "EARWITNESS_ENGINES": str(engines)}
        async with process("-m", "runtime", env=env) as agent:
            out, err = await agent.communicate()
    assert agent.returncode == 3
    assert "an engine is not ready: llm http://127.0.0.1" in err.decode()
    assert "401" in err.decode()
    assert KEY not in (out + err).decode()
