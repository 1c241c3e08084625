"""The HTTP side of the TTS worker.

    POST /tts/stream {text, request_id?, voice?}  raw s16le mono while it is made; Content-Type says the rate
    POST /tts/cancel {request_id}                 answers when that request is silent; 404 if it is not in progress
    GET  /health                                  the voice, requests in progress, how requests ended, the restarts
    GET  /metrics                                 see runtime.tts_server.metrics

A stream that is cancelled, or whose engine fails, is cut (no last chunk), so that no client takes it for complete. With a key,
all but /health need `Authorization: Bearer KEY`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, field_validator

from runtime.engine_server.requests import LONGEST_INPUT_CHARS, RequestError, error, read_body
from runtime.engines.protocols import EngineError, Int16Array
from runtime.loopback import bears
from runtime.tts_server.crash_ring import RequestState
from runtime.tts_server.metrics import TtsMetrics
from runtime.tts_server.voices import Voices

log = logging.getLogger(__name__)

MOST_WAITING = 32
STALLED_CLIENT_S = 30.0
LARGEST_BODY_BYTES = 64_000
PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StreamBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str = Field(max_length=LONGEST_INPUT_CHARS)
    request_id: str | None = Field(default=None, min_length=1, max_length=100, pattern=r"^[\w.:-]+$")
    voice: str | None = None

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip() or "\0" in text:
            raise ValueError("empty, or holds a NUL")
        return text


class CancelBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    request_id: str


@dataclass(frozen=True)
class Speaks:
    """The identity that pins a golden baseline."""

    engine: str
    version: str
    voice: str
    rate_hz: int
    parameters: dict[str, float]


@dataclass(eq=False)
class Job:
    """One request under way. `made`: its chunks, None at the end."""

    id: str
    text: str
    state: RequestState = RequestState.QUEUED
    detail: str = ""
    n_samples: int = 0
    made: asyncio.Queue[Int16Array | None] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    transport: asyncio.Transport | None = None  # set once sound is sent
    taken_s: float = field(default_factory=time.monotonic)


@dataclass
class TtsServer:
    """The handlers. `note` gets each step of each request; `lives`: the supervisor's record of earlier workers."""

    voices: Voices
    speaks: Speaks
    note: Callable[[dict[str, Any]], None]
    key: str | None = None
    lives: dict[str, Any] = field(default_factory=dict)
    metrics: TtsMetrics = field(default_factory=TtsMetrics)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _ended: Counter[str] = field(default_factory=Counter)
    _stopping: set[asyncio.Task[None]] = field(default_factory=set)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[self._guarded()])
        app.router.add_get("/health", self.health)
        app.router.add_get("/metrics", self.tell_metrics)
        app.router.add_post("/tts/stream", self.stream)
        app.router.add_post("/tts/cancel", self.cancel)
        return app

    def _guarded(self) -> Any:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.key and request.path != "/health" and not bears(request, self.key):
                return error(401, "wrong or missing key")
            try:
                return await handler(request)
            except RequestError as problem:
                return error(400, str(problem))
            except web.HTTPException as problem:
                return error(problem.status, problem.text or problem.reason)

        return guarded

    async def aclose(self) -> None:
        await asyncio.gather(*self._stopping, return_exceptions=True)
        await self.voices.aclose()

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "status": "ok" if all(engine.health().ok for engine in self.voices.engines) else "degraded",
                "speaks": vars(self.speaks),
                "in_progress": len(self._jobs),
                "concurrency": len(self.voices.engines),
                "idle": self.voices.n_idle,
                "ended": {state.value: self._ended[state] for state in RequestState if self._ended[state]},
                "worker_pid": os.getpid(),
                **self.lives,
            }
        )

    async def tell_metrics(self, _: web.Request) -> web.Response:
        self.metrics.in_progress.set(len(self._jobs))
        return web.Response(body=self.metrics.text(), headers={"Content-Type": PLAIN_TEXT})

    async def cancel(self, request: web.Request) -> web.Response:
        body = await read_body(request, CancelBody)
        job = self._jobs.get(body.request_id)
        if job is None or job.task is None:
            return error(404, f"no request {body.request_id!r} is in progress")
        if not job.task.done():
            self._end(job, RequestState.CANCELLED)
            if job.transport is not None:  # drop sound still buffered for a slow client too
                job.transport.abort()
            job.task.cancel()
            await asyncio.wait({job.task})
        return web.json_response({"request_id": job.id, "state": job.state, "n_samples": job.n_samples})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        job = self._admitted(await read_body(request, StreamBody))
        job.task = asyncio.create_task(self._speak(job))
        try:
            return await self._deliver(request, job)
        except (ConnectionError, TimeoutError, asyncio.CancelledError) as problem:
            self._end(
                job,
                RequestState.DISCONNECTED,
                f"the client {'stalled' if isinstance(problem, TimeoutError) else 'left'}",
            )
            if isinstance(problem, asyncio.CancelledError):
                raise
            return _cut(request, web.StreamResponse())
        finally:
            del self._jobs[job.id]
            job.task.cancel()
            self._stopping.add(
                job.task
            )  # not awaited: a handler whose client has left may be cancelled again at any await
            job.task.add_done_callback(self._stopping.discard)

    def _admitted(self, body: StreamBody) -> Job:
        """Raises RequestError, web.HTTPException."""
        if body.voice is not None and body.voice != self.speaks.voice:
            raise RequestError(f"voice: this server speaks with {self.speaks.voice!r} only")
        job = Job(body.request_id or secrets.token_hex(8), body.text)
        if job.id in self._jobs:
            raise web.HTTPConflict(text=f"request_id: {job.id!r} is in progress")
        if len(self._jobs) >= len(self.voices.engines) + MOST_WAITING:
            raise web.HTTPServiceUnavailable(text=f"{MOST_WAITING} requests are waiting already")
        self._jobs[job.id] = job
        self.note({"id": job.id, "state": job.state, "text": job.text, "at": time.time()})
        return job

    async def _speak(self, job: Job) -> None:
        """A slow client does not block the engine, for which others wait."""
        try:
            async with aclosing(self.voices.speak(job.text)) as chunks:
                async for chunk in chunks:
                    if chunk is None:
                        job.state = RequestState.SPEAKING
                        self.note({"id": job.id, "state": job.state, "speaking_at": time.time()})
                    elif len(chunk):
                        if not job.n_samples:
                            self.metrics.first_sound_s.observe(time.monotonic() - job.taken_s)
                        self.metrics.spoken_s.inc(len(chunk) / self.voices.rate_hz)
                        job.n_samples += len(chunk)
                        job.made.put_nowait(chunk)
        except EngineError as problem:
            self._end(job, RequestState.FAILED, str(problem))
            log.error("request %s: %s", job.id, problem)
        finally:
            job.made.put_nowait(None)

    async def _deliver(self, request: web.Request, job: Job) -> web.StreamResponse:
        headers = {"Content-Type": f"audio/pcm;rate={self.voices.rate_hz}", "X-Request-Id": job.id}
        response = web.StreamResponse(headers=headers)
        chunk = await job.made.get()
        if chunk is None and job.state is RequestState.FAILED:  # nothing was sent yet: answer with the error
            return error(500, job.detail)
        if chunk is None and job.state is RequestState.CANCELLED:
            return error(409, "cancelled before its first sound")
        await response.prepare(request)
        job.transport = request.transport
        while chunk is not None and job.state is RequestState.SPEAKING:
            async with asyncio.timeout(STALLED_CLIENT_S):
                await response.write(chunk.tobytes())
            chunk = await job.made.get()
        if job.state is not RequestState.SPEAKING:
            return _cut(request, response)
        await response.write_eof()
        self._end(job, RequestState.DONE)
        return response

    def _end(self, job: Job, state: RequestState, detail: str = "") -> None:
        """Only the first end counts."""
        if job.state in (RequestState.QUEUED, RequestState.SPEAKING):
            job.state, job.detail = state, detail
            self._ended[state] += 1
            self.metrics.ended.labels(state.value).inc()
            record = {"id": job.id, "state": state, "n_samples": job.n_samples, "ended_at": time.time()}
            self.note({**record, "detail": detail} if detail else record)


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Break the connection on purpose, so that the client sees an incomplete stream."""
    if request.transport is not None:
        request.transport.abort()
    return response
