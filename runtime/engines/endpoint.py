"""One HTTP endpoint of an engine: requests with named timeouts, errors in one line, no secrets in either.

`answer` opens a request; its Answer is read as bytes, as server-sent events, or whole. Leaving it closes the connection if the
answer was not read to its end, so that the server notices. Limits are ms: `connect_ms` until there is a connection,
`first_byte_ms` from the request to the first part of the answer's body, `between_chunks_ms` from one part to the next, `whole_ms`
from the request to the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from runtime.engines.protocols import EngineError

SHOWN_CHARS = 200
LARGEST_BODY_BYTES = 4 * 2**20

logging.getLogger("httpx2").setLevel(logging.WARNING)  # logs every request; its core logs more, also headers, at DEBUG
logging.getLogger("httpcore2").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Timeouts:
    connect_ms: float = 2_000.0
    first_byte_ms: float = 5_000.0
    between_chunks_ms: float = 5_000.0
    whole_ms: float = 60_000.0


class EngineTimeoutError(EngineError):
    """`which`: the name of the limit that passed."""

    def __init__(self, name: str, which: str, limit_ms: float) -> None:
        self.which = which
        super().__init__(f"{name}: {which} took longer than {limit_ms:g} ms ({which.replace(' ', '_')}_ms)")


class EngineAnswerError(EngineError):
    """The server refused: its status, and the beginning of its answer."""

    def __init__(self, name: str, status: int, said: str) -> None:
        self.status = status
        super().__init__(f"{name}: answered {status}: {said}")


class StreamCutError(EngineError):
    """The answer ended before its end."""


class Endpoint:
    """`name` stands in errors: "tts http://127.0.0.1:8090/v1". `key` goes into the Authorization header and nowhere else."""

    def __init__(self, role: str, url: str, key: str | None, timeouts: Timeouts) -> None:
        self.url = url.rstrip("/")
        self.name = f"{role} {self.url}"
        self.timeouts = timeouts
        self._key = key
        limits = httpx2.Timeout(None, connect=timeouts.connect_ms / 1e3, write=timeouts.whole_ms / 1e3)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.AsyncClient(headers=headers, timeout=limits, follow_redirects=False)

    async def aclose(self) -> None:
        await self._client.aclose()

    def without_key(self, text: str) -> str:
        """One line of at most SHOWN_CHARS, without the key, which some servers repeat."""
        if self._key:
            text = text.replace(self._key, "***")
        line = " ".join(text.split())
        return line[:SHOWN_CHARS] + ("…" if len(line) > SHOWN_CHARS else "")

    @asynccontextmanager
    async def answer(self, path: str, *, first_byte_ms: float | None = None, **body: Any) -> AsyncIterator[Answer]:
        """POST; `body` is httpx's (json, data, files). Raises EngineError, also for errors within the context."""
        started_s = asyncio.get_running_loop().time()
        limits = self.timeouts
        first_ms = limits.first_byte_ms if first_byte_ms is None else first_byte_ms
        deadlines = _Deadlines(self.name, limits, started_s, first_ms)
        response: httpx2.Response | None = None
        try:
            request = self._client.build_request("POST", self.url + path, **body)
            response = await deadlines.first(self._client.send(request, stream=True))
            answer = Answer(self, response, deadlines)
            if not response.is_success:
                raise EngineAnswerError(
                    self.name, response.status_code, self.without_key(await answer.text(errors="replace"))
                )
            yield answer
        except httpx2.ConnectTimeout as error:
            raise EngineTimeoutError(self.name, "connect", limits.connect_ms) from error
        except httpx2.ConnectError as error:
            raise EngineError(f"{self.name}: cannot be reached: {self.without_key(str(error))}") from error
        except httpx2.SSEError as error:
            raise EngineError(f"{self.name}: {self.without_key(str(error))}") from error
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.DecodingError) as error:
            raise StreamCutError(f"{self.name}: the answer was cut: {self.without_key(str(error))}") from error
        except httpx2.HTTPError as error:
            raise EngineError(f"{self.name}: {type(error).__name__}: {self.without_key(str(error))}") from error
        finally:
            if response is not None:
                await response.aclose()


@dataclass
class _Deadlines:
    name: str
    limits: Timeouts
    started_s: float
    first_ms: float
    _begun: bool = False

    async def first(self, awaitable: Any) -> Any:
        """Wait for the headers; the first byte has the rest of the same limit."""
        return await self._within(awaitable, "first byte", self.started_s + self.first_ms / 1e3, self.first_ms)

    async def next(self, awaitable: Any) -> Any:
        if not self._begun:
            result = await self.first(awaitable)
            self._begun = True
            return result
        due_s = asyncio.get_running_loop().time() + self.limits.between_chunks_ms / 1e3
        return await self._within(awaitable, "between chunks", due_s, self.limits.between_chunks_ms)

    async def _within(self, awaitable: Any, which: str, due_s: float, limit_ms: float) -> Any:
        last_s = self.started_s + self.limits.whole_ms / 1e3
        if last_s < due_s:
            which, due_s, limit_ms = "whole", last_s, self.limits.whole_ms
        try:
            async with asyncio.timeout_at(due_s):
                return await awaitable
        except TimeoutError as error:
            raise EngineTimeoutError(self.name, which, limit_ms) from error


@dataclass
class Answer:
    """One answer; read it once, in one way."""

    endpoint: Endpoint
    response: httpx2.Response
    deadlines: _Deadlines

    @property
    def content_type(self) -> str:
        return str(self.response.headers.get("content-type", "")).lower()

    async def chunks(self) -> AsyncGenerator[bytes]:
        async with aclosing(self._timed(self.response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                yield chunk

    async def events(self) -> AsyncGenerator[str]:
        """The data of each server-sent event."""
        async with aclosing(self._timed(aiter(httpx2.EventSource(self.response)))) as events:
            async for event in events:
                yield event.data

    async def _timed(self, parts: Any) -> AsyncGenerator[Any]:
        try:
            while True:
                try:
                    part = await self.deadlines.next(anext(parts))
                except StopAsyncIteration:
                    return
                yield part
        finally:
            await parts.aclose()

    async def text(self, errors: str = "strict") -> str:
        """The whole body. Raises EngineError if it is too large, or not UTF-8."""
        body = b""
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > LARGEST_BODY_BYTES:
                    raise EngineError(f"{self.endpoint.name}: the answer is larger than {LARGEST_BODY_BYTES} bytes")
        try:
            return body.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise EngineError(f"{self.endpoint.name}: the answer is not text") from error
