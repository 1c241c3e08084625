"""The signalling proxy: a WebSocket in front of the media server's, for one participant, that turns media to the relay.

Everything passes unchanged except the ways for media (see `candidates`): TURN and other servers are left out, for they
would lead around the relay. A message waits as long as the link's delay, and for the end of an outage, as a TCP
connection would; reconnection and ICE restart are new messages like all others.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

import aiohttp
from aiohttp import WSMsgType, web
from livekit.protocol import rtc

from harness.errors import ProvisionError, first_explained
from harness.link.candidates import (
    Candidate,
    Doors,
    Policy,
    Transport,
    candidate_of_trickle,
    candidates_of_sdp,
    turn_sdp,
    turn_trickle,
    without_candidates,
)
from harness.link.sockets import Address
from harness.model.redaction import redacted

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONNECT_TIMEOUT_S = 10.0
ASK_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 1.0
PASSED_HEADERS = ("authorization", "user-agent")

Direction = Literal["up", "down"]
OpenDoor = Callable[[Address, Transport], Awaitable[int]]
Hold = Callable[[Direction], Awaitable[None]]


class SignallingProxy:
    """Made and ended by `open_link`. `failed` is set when it cannot go on; `why` says so."""

    def __init__(self, upstream_url: str, policy: Policy, open_door: OpenDoor, hold: Hold) -> None:
        self.failed = asyncio.Event()
        self.why = ""
        self.turned = 0  # candidates of the server's that were turned to the relay
        self._upstream = upstream_url.rstrip("/")
        self._policy = policy
        self._open_door = open_door
        self._hold = hold
        self._doors: Doors = {}
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None
        self._closing = False

    async def start(self, port: int = 0) -> str:
        """The URL by which the participant joins. Raises ProvisionError if `port` is taken."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._any)
        app.on_shutdown.append(self._went_down)
        self._client = aiohttp.ClientSession()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            await self.stop()
            raise ProvisionError(f"the link's signalling proxy cannot use port {port}: {error.strerror}") from error
        return f"ws://{HOST}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End the proxy; a second call does nothing."""
        self._closing = True
        runner, self._runner = self._runner, None
        try:
            if runner is not None:
                await runner.cleanup()
        finally:
            if self._client is not None:
                await self._client.close()

    async def _went_down(self, _: web.Application) -> None:
        if not self._closing:
            self._fail("its server was shut down")

    def _fail(self, why: str) -> None:
        self.why = self.why or f"the link's signalling proxy failed: {redacted(why)}"  # an address carries its token
        self.failed.set()

    # what comes in

    async def _any(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._websocket(request)
            return await self._plain(request)
        except aiohttp.WSServerHandshakeError as error:  # a client decides by the status what to try next
            return web.Response(status=error.status, text=error.message)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            # The server's own end is noticed elsewhere; the participant sees what it would without us.
            return web.Response(status=502, text=f"the media server does not answer: {type(error).__name__}")
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("the signalling proxy")
            first = first_explained(error) if isinstance(error, BaseExceptionGroup) else error
            self._fail(f"{type(first).__name__}: {first}")
            raise

    async def _plain(self, request: web.Request) -> web.Response:
        """What livekit-client asks over HTTP: why a connection was refused."""
        assert self._client is not None
        await self._hold("up")
        url = self._upstream.replace("ws", "http", 1) + self._path_of(request)
        patience = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)
        async with self._client.request(
            request.method, url, headers=_passed(request), data=await request.read(), timeout=patience
        ) as answer:
            kind = {"Content-Type": answer.headers["Content-Type"]} if "Content-Type" in answer.headers else {}
            headers = {"Access-Control-Allow-Origin": "*", **kind}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)

    def _path_of(self, request: web.Request) -> str:
        query = dict(request.query)
        if "join_request" not in query:
            return request.raw_path
        query["join_request"] = turn_join_request(query["join_request"])
        return str(request.rel_url.with_query(query))

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        assert self._client is not None
        await self._hold("up")
        wanted = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            server = await self._client.ws_connect(
                self._upstream + self._path_of(request), headers=_passed(request), protocols=wanted, max_msg_size=0
            )
        participant = web.WebSocketResponse(max_msg_size=0, protocols=[server.protocol] if server.protocol else ())
        try:
            await participant.prepare(request)
            async with asyncio.TaskGroup() as group:  # the end of either direction is the end of the connection
                group.create_task(self._pass(participant, server, "up"))
                group.create_task(self._pass(server, participant, "down"))
        finally:
            with suppress(ConnectionError, RuntimeError):
                await server.close()
        return participant

    async def _pass(self, source: Any, sink: Any, way: Direction) -> None:
        """All messages one way, in order, each held as long as the link holds it; then the other side is closed."""
        loop = asyncio.get_running_loop()
        held: asyncio.Queue[asyncio.Task[tuple[int, Any]] | None] = asyncio.Queue()

        async def hold(kind: int, data: Any) -> tuple[int, Any]:
            await self._hold(way)
            return kind, data

        async def write() -> None:
            while (task := await held.get()) is not None:
                kind, data = await task
                if kind == WSMsgType.BINARY:
                    turned = await self._turned(data, way)
                    if turned is not None:
                        await sink.send_bytes(turned)
                else:
                    await sink.send_str(data)

        async def read() -> None:
            async for message in source:
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                    held.put_nowait(loop.create_task(hold(message.type, message.data)))
            held.put_nowait(None)

        writing, reading = loop.create_task(write()), loop.create_task(read())
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
            await writing  # what was read is written; or it has failed, and nobody takes what is still read
        except (ConnectionError, aiohttp.ClientError):
            pass  # the reader went away during a write: the connection ends too
        finally:
            writing.cancel()
            reading.cancel()
            while not held.empty():
                left = held.get_nowait()
                if left is not None:
                    left.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)
            with suppress(ConnectionError, RuntimeError):
                await sink.close()

    # what passes

    async def _turned(self, data: bytes, way: Direction) -> bytes | None:
        return _participants(data) if way == "up" else await self._servers(data)

    async def _servers(self, data: bytes) -> bytes | None:
        message = rtc.SignalResponse.FromString(data)
        kind = message.WhichOneof("message")
        if kind == "trickle":
            candidate = candidate_of_trickle(message.trickle.candidateInit)
            await self._open([candidate] if candidate is not None else [])
            turned = turn_trickle(message.trickle.candidateInit, self._policy, self._doors)
            if turned is None:
                return None
            message.trickle.candidateInit = turned
        elif kind in ("offer", "answer"):
            description = getattr(message, kind)
            await self._open(list(candidates_of_sdp(description.sdp)))
            description.sdp = turn_sdp(description.sdp, self._policy, self._doors)
        elif kind == "join":
            del message.join.ice_servers[:]
            message.join.alternative_url = ""
        elif kind == "reconnect":
            del message.reconnect.ice_servers[:]
        else:
            return data
        return message.SerializeToString()

    async def _open(self, candidates: list[Candidate]) -> None:
        for candidate in candidates:
            transport = self._policy.door(candidate)
            if transport is not None:
                self.turned += 1
                if (candidate.address, transport) not in self._doors:
                    self._doors[candidate.address, transport] = await self._open_door(candidate.address, transport)


def _participants(data: bytes) -> bytes | None:
    message = rtc.SignalRequest.FromString(data)
    kind = message.WhichOneof("message")
    if kind == "trickle":
        return None
    if kind in ("offer", "answer"):
        description = getattr(message, kind)
        description.sdp = without_candidates(description.sdp)
        return message.SerializeToString()
    return data


def turn_join_request(text: str) -> str:
    """Take the candidates out of a first offer in the URL (livekit's v1 signalling)."""
    padded = text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4)
    wrapped = rtc.WrappedJoinRequest.FromString(base64.urlsafe_b64decode(padded))
    zipped = wrapped.compression == rtc.WrappedJoinRequest.GZIP
    request = rtc.JoinRequest.FromString(gzip.decompress(wrapped.join_request) if zipped else wrapped.join_request)
    if not request.publisher_offer.sdp:
        return text
    request.publisher_offer.sdp = without_candidates(request.publisher_offer.sdp)
    message = request.SerializeToString()
    wrapped.join_request = gzip.compress(message) if zipped else message
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


def _passed(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.lower() in PASSED_HEADERS}
