"""One HTTP endpoint: each limit has its name, each failure is one line, the key stands in none, what is closed is closed."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from aiohttp import web

from runtime.engines.endpoint import Endpoint, EngineAnswerError, EngineTimeoutError, StreamCutError, Timeouts
from runtime.engines.protocols import EngineError
from tests.runtime.engines.conftest import KEY, PATIENT, Misbehaving, answers, streams

RAW = "application/octet-stream"
SHORT_MS = 100.0


async def read_all(endpoint: Endpoint) -> bytes:
    try:
        async with endpoint.answer("/x", json={}) as answer:
            return b"".join([chunk async for chunk in answer.chunks()])
    finally:
        await endpoint.aclose()


async def test_an_answer_is_read_as_it_was_sent(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(b"one ", b"two", kind=RAW)
    assert await read_all(misbehaving.endpoint()) == b"one two"


async def which(endpoint: Endpoint) -> str:
    with pytest.raises(EngineTimeoutError) as caught:
        await read_all(endpoint)
    assert caught.value.which.replace(" ", "_") + "_ms" in str(caught.value), "the limit's name in the file is told"
    return caught.value.which


async def test_no_answer_at_all_is_a_late_first_byte(misbehaving: Misbehaving) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await misbehaving.never.wait()
        raise AssertionError

    misbehaving.answering = never
    assert await which(misbehaving.endpoint(Timeouts(10_000, SHORT_MS, 30_000, 60_000))) == "first byte"


async def test_headers_alone_are_a_late_first_byte(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(misbehaving.never, kind=RAW)
    assert await which(misbehaving.endpoint(Timeouts(10_000, SHORT_MS, 30_000, 60_000))) == "first byte"


async def test_an_answer_that_stands_still_is_between_chunks(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(b"one", misbehaving.never, kind=RAW)
    assert await which(misbehaving.endpoint(Timeouts(10_000, 30_000, SHORT_MS, 60_000))) == "between chunks"


async def test_an_answer_without_end_takes_too_long_as_a_whole(misbehaving: Misbehaving) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.005)  # faster than the limit between chunks, for ever

    misbehaving.answering = drip
    assert await which(misbehaving.endpoint(Timeouts(10_000, 30_000, 30_000, 300))) == "whole"


async def test_a_connection_that_is_not_accepted_has_a_limit_of_its_own() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue of connections that nobody accepts
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
            endpoint = Endpoint("test", f"http://127.0.0.1:{listening.getsockname()[1]}", None, Timeouts(SHORT_MS))
            assert await which(endpoint) == "connect"
        finally:
            for one in waiting:
                one.close()


async def test_nobody_there_is_told_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(EngineError, match=f"test {url}: cannot be reached"):
            await read_all(Endpoint("test", url, None, PATIENT))


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_a_refusal_is_told_with_status_and_words(misbehaving: Misbehaving, status: int) -> None:
    misbehaving.answering = answers(status, b'{"error": {"message": "slow down"}}')
    with pytest.raises(EngineAnswerError, match=f"answered {status}: .*slow down") as caught:
        await read_all(misbehaving.endpoint())
    assert caught.value.status == status


async def test_a_redirect_is_not_followed_with_the_key(misbehaving: Misbehaving) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    misbehaving.answering = elsewhere
    with pytest.raises(EngineAnswerError, match="answered 302"):
        await read_all(misbehaving.endpoint(key=KEY))


async def test_an_answer_that_is_cut_is_no_whole_one(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(b"one", kind=RAW, cut=True)
    with pytest.raises(StreamCutError, match="was cut"):
        await read_all(misbehaving.endpoint())


async def test_who_stops_reading_closes_the_connection(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(b"one", misbehaving.never, kind=RAW)
    endpoint = misbehaving.endpoint()
    async with endpoint.answer("/x", json={}) as answer:
        chunks = answer.chunks()
        assert await anext(chunks) == b"one"
        await chunks.aclose()
    async with asyncio.timeout(10):
        await misbehaving.gone.wait()
    await endpoint.aclose()


async def test_a_cancelled_request_closes_the_connection_and_leaves_no_task(misbehaving: Misbehaving) -> None:
    misbehaving.answering = streams(b"one", misbehaving.never, kind=RAW)
    endpoint = misbehaving.endpoint()
    seen = asyncio.Event()

    async def read() -> None:
        async with endpoint.answer("/x", json={}) as answer:
            async for _ in answer.chunks():
                seen.set()

    before = asyncio.all_tasks()
    reading = asyncio.create_task(read())
    async with asyncio.timeout(10):
        await seen.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await misbehaving.gone.wait()
    await endpoint.aclose()
    ours = {task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task)}  # the server's
    assert not ours


async def test_the_key_goes_to_the_server_and_into_no_log_or_error(
    misbehaving: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[str | None] = []

    async def repeats_it(request: web.Request) -> web.StreamResponse:
        given.append(request.headers.get("Authorization"))
        return web.Response(status=401, text=f"Incorrect API key provided: {KEY}")

    misbehaving.answering = repeats_it
    with caplog.at_level(logging.INFO), pytest.raises(EngineAnswerError) as caught:
        await read_all(misbehaving.endpoint(key=KEY))
    assert given == [f"Bearer {KEY}"]
    assert KEY not in str(caught.value)
    assert "***" in str(caught.value)
    assert KEY not in caplog.text
