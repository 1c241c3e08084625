"""Stand-ins for a media server: one that sends every packet back, one that speaks livekit's signalling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from livekit.protocol import rtc

WAIT_S = 20.0
HOST = "127.0.0.1"


class Endpoint(asyncio.DatagramProtocol):
    """A UDP socket whose packets can be awaited; `answers`: it sends each back."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.put_nowait(data)
        if self.answers:
            self.transport.sendto(data, addr)

    @property
    def address(self) -> tuple[str, int]:
        name: tuple[str, int] = self.transport.get_extra_info("sockname")
        return name

    async def next(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.came.get()


@asynccontextmanager
async def media() -> AsyncIterator[Endpoint]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Endpoint(answers=True), local_addr=(HOST, 0))
    with closing(transport):
        yield server


@asynccontextmanager
async def participant(port: int) -> AsyncIterator[Endpoint]:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(lambda: Endpoint(answers=False), remote_addr=(HOST, port))
    with closing(transport):
        yield client


def sdp(*candidates: str) -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:abcd"]
    return "\r\n".join([*lines, *(f"a=candidate:{c}" for c in candidates), "a=end-of-candidates", ""])


UDP = "1 1 udp 2130706431 192.0.2.7 7882 typ host"
TCP = "2 1 tcp 1671430143 192.0.2.7 7881 typ host tcptype passive"


@dataclass
class Signalling:
    """A server that greets with a join, offers with candidates in SDP and trickle, and notes what it is sent."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    came: asyncio.Queue[rtc.SignalRequest] = field(default_factory=asyncio.Queue)
    candidates: tuple[str, ...] = (UDP, TCP)
    then: tuple[bytes, ...] = ()  # what it sends after its greeting, as it is

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        self.headers.append(dict(request.headers))
        if request.path.endswith("validate"):
            return web.Response(status=401, text="no permission")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in self.greeting():
            await socket.send_bytes(message.SerializeToString())
        for data in self.then:
            await socket.send_bytes(data)
        async for message in socket:
            self.came.put_nowait(rtc.SignalRequest.FromString(message.data))
        return socket

    def greeting(self) -> list[rtc.SignalResponse]:
        ice = rtc.ICEServer(urls=["turn:192.0.2.9:3478?transport=udp"])
        join = rtc.JoinResponse(ice_servers=[ice], alternative_url="wss://elsewhere", ping_timeout=15)
        trickled = [
            rtc.SignalResponse(trickle=rtc.TrickleRequest(candidateInit=json.dumps({"candidate": text, "sdpMid": "0"})))
            for text in (*(f"candidate:{c}" for c in self.candidates), "")
        ]
        offer = rtc.SessionDescription(type="offer", sdp=sdp(*self.candidates))
        return [rtc.SignalResponse(join=join), rtc.SignalResponse(offer=offer), *trickled]

    async def next(self) -> rtc.SignalRequest:
        async with asyncio.timeout(WAIT_S):
            return await self.came.get()


@asynccontextmanager
async def signalling(**fields: Any) -> AsyncIterator[Signalling]:
    server = Signalling(**fields)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        server.url = f"ws://{HOST}:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
