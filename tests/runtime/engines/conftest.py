"""A real HTTP server on loopback for each test: the product's own, over engines of a few lines, or one that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiohttp import web

from runtime.engine_server.app import EngineServer
from runtime.engines.endpoint import Endpoint, Timeouts
from runtime.engines.engine_set import Engines
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.engines.scripted import ScriptedDialogue
from runtime.engines.silero import SileroDetection
from runtime.loopback import serving

PATIENT = Timeouts(10_000, 30_000, 30_000, 60_000)
KEY = "sk-a-secret-of-this-test"


class Plain:
    """What the engines of these tests have in common."""

    def __init__(self, role: str) -> None:
        self.metrics = EngineMetrics(role)

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        return

    async def aclose(self) -> None:
        return


class Tone(Plain):
    """A TTS: 10 ms of its own level for each character, in chunks of one character. `fail_after` chunks it breaks."""

    def __init__(self, level: int, rate_hz: int = 24_000, fail_after: int | None = None) -> None:
        super().__init__("tts")
        self.level, self.rate_hz, self.fail_after = level, rate_hz, fail_after
        self.said: list[str] = []

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        self.said.append(text)
        with self.metrics.request() as request:
            for index, _ in enumerate(text):
                if self.fail_after is not None and index >= self.fail_after:
                    raise EngineError("the tone broke off")
                request.first()
                yield np.full(self.rate_hz // 100, self.level, np.int16)
                await asyncio.sleep(0)


class Counts(Plain):
    """An STT whose transcript is how many samples it was given."""

    def __init__(self) -> None:
        super().__init__("stt")

    async def open(self) -> Counting:
        return Counting(self)


@dataclass
class Counting:
    owner: Counts
    n_samples: int = 0
    dropped: bool = False

    def push(self, samples: Int16Array) -> None:
        self.n_samples += len(samples)

    async def finish(self) -> Heard:
        return Heard(f"hello {self.n_samples}")

    async def drop(self) -> None:
        self.dropped = True


@pytest.fixture
async def served() -> AsyncIterator[str]:
    """`serve-engines` over the engines above, with a key; its /v1."""
    engines = Engines(SileroDetection(), Counts(), ScriptedDialogue(0.0), Tone(1_000))
    async with serving(EngineServer(engines, KEY).app(), 0, cancel_with_client=True) as url:
        yield f"{url}/v1"


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Misbehaving:
    """A server whose every answer is `answering`'s. `gone`: a client closed its connection before it had the whole answer."""

    url: str = ""
    answering: Answering | None = None
    bodies: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    never: asyncio.Event = field(default_factory=asyncio.Event)  # what is waited for by who never answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert self.answering is not None
        self.bodies.append(await request.read())
        try:
            return await self.answering(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise

    def endpoint(self, timeouts: Timeouts = PATIENT, key: str | None = None) -> Endpoint:
        return Endpoint("test", self.url, key, timeouts)


@pytest.fixture
async def misbehaving() -> AsyncIterator[Misbehaving]:
    server = Misbehaving()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with serving(app, 0, cancel_with_client=True) as url:
        server.url = url
        yield server


def answers(status: int = 200, body: bytes = b"", kind: str = "application/json") -> Answering:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=kind)

    return answer


def streams(*chunks: bytes | asyncio.Event, kind: str, cut: bool = False) -> Answering:
    """Chunks one after the other, an event among them is waited for; with `cut` the connection ends without the last one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        for chunk in chunks:
            if isinstance(chunk, asyncio.Event):
                await chunk.wait()
            else:
                await response.write(chunk)
        if cut:
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response

    return answer
