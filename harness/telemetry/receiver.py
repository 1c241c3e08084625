"""A receiver of OTLP/HTTP on loopback, for the time of a run. Nothing that comes in can block or end a call.

During a call a body is read, unpacked and parsed in a thread of its own, and kept; its spans are looked at when a call is
over. What is malformed, too large or too late is answered with HTTP's status for it, and counted for the calls that it may be of.
Metrics and logs are accepted and thrown away, so that an agent which sends them too logs no errors.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.errors import UsageError
from harness.telemetry.inbox import Batch, CallWindow, Inbox, Told
from harness.telemetry.messages import MOST_BYTES, PROTOBUF, TOO_LARGE, Arrival, RefusedError, read_body

HOST = "127.0.0.1"
READ_TIMEOUT_S = 10.0
BROKEN_OFF = "broken off"  # by an agent that was ended amid sending
LATE_SPANS_TIMEOUT_S = 6.0  # an SDK sends what it has every 5 s unless told otherwise
SEND_EVERY_MS = 500


@dataclass
class Receiver:
    """`port` is bound. `waits`: an agent that the harness does not end may send its last spans after the call."""

    port: int = 0
    waits: bool = False
    inbox: Inbox = field(default_factory=Inbox)
    _began: dict[str, tuple[str, int]] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)  # of the next batch; each has its own

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def env(self, room: str) -> dict[str, str]:
        """The environment of an agent that serves this room alone: the path tells whose spans they are.

        What the user's own environment says of traces alone would go before what it says of all.
        """
        endpoint = f"{self.url}/{quote(room, safe='')}"
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{endpoint}/v1/traces",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": str(SEND_EVERY_MS),  # a program that is ended may send nothing any more
        }

    def begin(self, room: str, sid: str) -> None:
        """A call begins in `room`; `sid` is the media server's id of it."""
        self.inbox.open(room)
        self._began[room] = sid, time.time_ns()

    async def settled(self, room: str) -> None:
        """Wait for the last spans of a call that is over, at most LATE_SPANS_TIMEOUT_S."""
        if not self.waits or room not in self._began:
            return
        window = self._window(room)
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_SPANS_TIMEOUT_S):
                while True:
                    arrived = self._arrived  # ahead of the look: what comes meanwhile is not missed
                    if await asyncio.to_thread(self.inbox.is_complete, window):
                        break
                    await arrived.wait()

    def end(self, room: str) -> Told:
        """What the call was told. Slow for many spans: call it from a thread."""
        if room not in self._began:
            return Told()
        window = self._window(room)
        del self._began[room]
        return self.inbox.take(window)

    def _window(self, room: str) -> CallWindow:
        sid, began_ns = self._began[room]
        return CallWindow(room, sid, began_ns, time.time_ns(), self.inbox.was_alone(room))

    async def _traces(self, request: web.Request) -> web.Response:
        room = request.match_info.get("room")
        kind = request.content_type
        try:
            arrival = Arrival(time.time_ns(), time.monotonic_ns() / 1e6)
            message, n_bytes = await self._read(request, kind)
            self.inbox.put(Batch(message, arrival, room, n_bytes))
        except RefusedError as refused:
            self.inbox.refuse(room, refused.why)
            return web.Response(status=refused.status, text=f"refused: {refused.why}\n")
        self._arrived.set()
        self._arrived = asyncio.Event()
        return _accepted(kind)

    async def _read(self, request: web.Request, kind: str) -> tuple[ExportTraceServiceRequest, int]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                body = await request.read()
        except TimeoutError as error:
            raise RefusedError(f"not there after {READ_TIMEOUT_S:g} s", 408) from error
        except web.HTTPRequestEntityTooLarge as error:
            raise RefusedError(TOO_LARGE, 413) from error
        except (ConnectionError, web.RequestPayloadError) as error:
            raise RefusedError(BROKEN_OFF, 400) from error
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        return await asyncio.to_thread(read_body, body, kind, encoding)

    async def _thrown_away(self, request: web.Request) -> web.Response:
        return _accepted(request.content_type)


def _accepted(kind: str) -> web.Response:
    """An empty export response, in the encoding of the request."""
    return web.Response(body=b"" if kind == PROTOBUF else b"{}", content_type=kind)


@asynccontextmanager
async def open_receiver(port: int, *, waits: bool) -> AsyncIterator[Receiver]:
    """Raises UsageError for a port that cannot be listened on."""
    receiver = Receiver(waits=waits)
    app = web.Application(client_max_size=MOST_BYTES)
    for at in ("", "/{room}"):
        app.router.add_post(f"{at}/v1/traces", receiver._traces)
        app.router.add_post(f"{at}/v1/metrics", receiver._thrown_away)
        app.router.add_post(f"{at}/v1/logs", receiver._thrown_away)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise UsageError(f"--otlp-in {port}: cannot listen on {HOST}:{port}: {reason}; give a free port") from error
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        await runner.cleanup()
