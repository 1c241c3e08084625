"""Transcription over HTTP and over a WebSocket, against the product's own server and against ones that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
from aiohttp import WSMsgType, web

from runtime.engines.endpoint import Endpoint, EngineTimeoutError, StreamCutError, Timeouts
from runtime.engines.openai_transcription import TranscriptionEndpoint, TranscriptionOptions
from runtime.engines.protocols import EngineError
from runtime.engines.websocket_stt import WebSocketSpeechToText
from runtime.loopback import serving
from tests.runtime.engines.conftest import KEY, PATIENT, Misbehaving, answers

SECOND = np.zeros(16_000, np.int16)


async def test_an_utterance_is_sent_whole(served: str) -> None:
    stt = TranscriptionEndpoint(Endpoint("stt", served, KEY, PATIENT), TranscriptionOptions("m", language="en"))
    await stt.warm_up()
    transcription = await stt.open()
    for piece in np.split(SECOND, 10):
        transcription.push(piece)
    assert (await transcription.finish()).text == "hello 16000"
    await stt.aclose()


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"text": 3}', b"\xff\xfe", b"<html>"])
async def test_what_is_no_transcript_is_an_error(misbehaving: Misbehaving, body: bytes) -> None:
    misbehaving.answering = answers(200, body)
    stt = TranscriptionEndpoint(misbehaving.endpoint(), TranscriptionOptions("m"))
    with pytest.raises(EngineError, match=r"not a transcription|not text"):
        await (await stt.open()).finish()
    await stt.aclose()


def over_websocket(url: str, key: str | None = KEY, timeouts: Timeouts = PATIENT) -> WebSocketSpeechToText:
    return WebSocketSpeechToText(url, key, timeouts)


async def test_a_websocket_is_fed_while_the_user_speaks(served: str) -> None:
    stt = over_websocket(served.replace("http", "ws") + "/audio/stream")
    await stt.warm_up()
    one, two = await stt.open(), await stt.open()
    for piece in np.split(SECOND, 10):
        one.push(piece)
    two.push(SECOND[:100])
    assert (await one.finish()).text == "hello 16000"
    assert (await two.finish()).text == "hello 100"
    await stt.aclose()


async def test_a_websocket_that_refuses_the_key_is_told_without_it(served: str) -> None:
    stt = over_websocket(served.replace("http", "ws") + "/audio/stream", "sk-another-secret")
    with pytest.raises(EngineError, match="401") as caught:
        await stt.warm_up()
    await stt.aclose()
    assert "sk-another-secret" not in str(caught.value)


Talking = Callable[[web.WebSocketResponse], Awaitable[None]]


@pytest.fixture
async def socket_server() -> AsyncIterator[Callable[[Talking], Awaitable[str]]]:
    """`await socket_server(talk)`: the address of a server whose conversations are `talk`."""
    talks: list[Talking] = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await talks[-1](socket)
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    async with serving(app, 0, cancel_with_client=True) as url:

        async def with_talk(talk: Talking) -> str:
            talks.append(talk)
            return url.replace("http", "ws")

        yield with_talk


async def until_eof(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.TEXT and "eof" in json.loads(message.data):
            return


async def test_final_pieces_are_put_together_and_partial_ones_are_not(socket_server) -> None:  # type: ignore[no-untyped-def]
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_json({"partial": "one"})
        await socket.send_json({"text": "one two"})
        await until_eof(socket)
        await socket.send_json({"text": "three"})

    stt = over_websocket(await socket_server(talk))
    transcription = await stt.open()
    transcription.push(SECOND)
    assert (await transcription.finish()).text == "one two three"
    await stt.aclose()


@pytest.mark.parametrize(
    ("answer", "says"),
    [("garbage", "not a transcription"), ('{"text": 5}', "not a transcription"), ('{"error": "no model"}', "no model"),
     ("[]", "not a transcription"), (None, "ended before the transcript")],
)  # fmt: skip
async def test_a_websocket_that_misbehaves_is_an_error(socket_server, answer: str | None, says: str) -> None:  # type: ignore[no-untyped-def]
    async def talk(socket: web.WebSocketResponse) -> None:
        await until_eof(socket)
        if answer is not None:
            await socket.send_str(answer)

    stt = over_websocket(await socket_server(talk))
    transcription = await stt.open()
    transcription.push(SECOND)
    with pytest.raises(EngineError, match=says):
        await transcription.finish()
    await stt.aclose()
    assert not stt.health().ok


async def test_a_websocket_that_never_answers_has_a_limit(socket_server) -> None:  # type: ignore[no-untyped-def]
    gone = asyncio.Event()

    async def talk(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass
        gone.set()

    stt = over_websocket(await socket_server(talk), timeouts=Timeouts(10_000, 200, 200, 1_000))
    transcription = await stt.open()
    with pytest.raises(EngineTimeoutError, match="first_byte_ms"):
        await transcription.finish()
    async with asyncio.timeout(10):
        await gone.wait()
    await stt.aclose()


async def test_a_connection_that_breaks_is_an_error_and_dropping_one_is_none(socket_server) -> None:  # type: ignore[no-untyped-def]
    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        assert socket._req is not None
        assert socket._req.transport is not None
        socket._req.transport.abort()

    url = await socket_server(talk)
    stt = over_websocket(url)
    broken, dropped = await stt.open(), await stt.open()
    with pytest.raises((StreamCutError, EngineError)):
        await broken.finish()
    await dropped.drop()
    await stt.aclose()
    nowhere = over_websocket("ws://127.0.0.1:9/")
    with pytest.raises(EngineError, match="cannot be reached"):
        await (await nowhere.open()).finish()
    await nowhere.aclose()
