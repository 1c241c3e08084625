"""The echo: small numbered packets through the link to a far end of our own and back, each time noted on one clock.

Both ends are in this process, so each direction is measured alone, and the relay is measured from outside. By UDP, or
framed in TCP where the link lets no UDP through. Every EVERY_S one packet of 40 bytes: 3 kbit/s, which even the
narrowest profile has room for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

from harness.link.candidates import Transport
from harness.link.sockets import LENGTH, Address, mono_ms
from harness.network.log import ECHO, ECHO_MAGIC, echo_packet
from harness.network.record import Echo

HOST = "127.0.0.1"
EVERY_S = 0.2
CLOSE_TIMEOUT_S = 1.0

OpenDoor = Callable[[Address, Transport], Awaitable[int]]


class EchoProbe:
    """Sends packets, and keeps the times of each."""

    def __init__(self) -> None:
        self._sent_ms: list[float] = []
        self._served_ms: dict[int, float] = {}
        self._back_ms: dict[int, float] = {}

    def send(self, transmit: Callable[[bytes], object]) -> None:
        number = len(self._sent_ms)
        self._sent_ms.append(mono_ms())
        transmit(echo_packet(number))

    def served(self, data: bytes) -> None:
        self._served_ms.setdefault(_number(data), mono_ms())

    def back(self, data: bytes) -> None:
        self._back_ms.setdefault(_number(data), mono_ms())

    def results(self) -> list[Echo]:
        return [
            Echo(n=n, sent_ms=sent_ms, served_ms=self._served_ms.get(n), back_ms=self._back_ms.get(n))
            for n, sent_ms in enumerate(self._sent_ms)
        ]

    async def _keep_sending(self, transmit: Callable[[bytes], object]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.send(transmit)
            due += EVERY_S
            await asyncio.sleep(max(0.0, due - loop.time()))  # paced by an absolute deadline


class _FarEnd(asyncio.DatagramProtocol):
    def __init__(self, probe: EchoProbe) -> None:
        self.probe = probe

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data.startswith(ECHO_MAGIC):
            self.probe.served(data)  # first: a pause in between must not make this time later than the answer's
            self.transport.sendto(data, addr)


class _NearEnd(asyncio.DatagramProtocol):
    def __init__(self, probe: EchoProbe) -> None:
        self.probe = probe

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data.startswith(ECHO_MAGIC):
            self.probe.back(data)


def _number(data: bytes) -> int:
    number: int = ECHO.unpack_from(data)[1]
    return number


@asynccontextmanager
async def echo_through(open_door: OpenDoor, *, tcp: bool) -> AsyncIterator[EchoProbe]:
    """An echo that runs while the context is open. `open_door` gives the link's port for the far end's address."""
    loop = asyncio.get_running_loop()
    probe = EchoProbe()
    far, _ = await loop.create_datagram_endpoint(lambda: _FarEnd(probe), local_addr=(HOST, 0))
    try:
        far_address: Address = far.get_extra_info("sockname")[:2]
        port = await open_door(far_address, "tcp_from_udp" if tcp else "udp")
        async with _tcp(probe, port) if tcp else _udp(probe, port) as transmit:
            sending = asyncio.create_task(probe._keep_sending(transmit))
            try:
                yield probe
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
    finally:
        far.close()


@asynccontextmanager
async def _udp(probe: EchoProbe, port: int) -> AsyncIterator[Callable[[bytes], object]]:
    near, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _NearEnd(probe), remote_addr=(HOST, port)
    )
    try:
        yield near.sendto
    finally:
        near.close()


@asynccontextmanager
async def _tcp(probe: EchoProbe, port: int) -> AsyncIterator[Callable[[bytes], object]]:
    reader, writer = await asyncio.open_connection(HOST, port)

    async def listen() -> None:
        while True:
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            probe.back(await reader.readexactly(length))

    listening = asyncio.create_task(listen())
    try:
        yield lambda data: writer.write(LENGTH.pack(len(data)) + data)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await writer.wait_closed()
