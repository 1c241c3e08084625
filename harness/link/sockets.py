"""The sockets of the relay: UDP with the kernel's time of arrival, and ICE over TCP, whose packets have their length ahead.

Nothing here blocks. Times are ms of CLOCK_MONOTONIC. Framing: RFC 4571 (two bytes of length), as ICE-TCP has it (RFC
6544). Standard library alone.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator

MAX_PACKET_BYTES = 65_535
BURST_PACKETS = 64  # read of one socket before the others get their turn
BUFFER_BYTES = 1 << 20
SO_TIMESTAMPNS = 35  # Linux; the socket module does not name it
TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = 64
CLOCK_READINGS, CLOCKS_APART_NS = 3, 50_000
LENGTH = struct.Struct("!H")

Address = tuple[str, int]


def mono_ms() -> float:
    return time.monotonic_ns() / 1e6


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def udp_socket(bind: Address | None = None, connect: Address | None = None) -> socket.socket:
    """A UDP socket with the kernel's times of arrival. Raises OSError."""
    host = (bind or connect or ("127.0.0.1", 0))[0]
    made = socket.socket(family_of(host), socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # without it, arrival is when we read
                made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if bind is not None:
            made.bind(bind)
        if connect is not None:
            made.connect(connect)
    except BaseException:
        made.close()
        raise
    return made


def received(sock: socket.socket) -> Iterator[tuple[bytes, Address, float]]:
    """The packets in a UDP socket: (payload, from where, when it arrived)."""
    for _ in range(BURST_PACKETS):
        try:
            data, ancillary, _, address = sock.recvmsg(MAX_PACKET_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:  # ICMP reported the other side's port as closed; later packets may come
            continue
        yield data, address, _arrival_ms(ancillary)


def _both_clocks() -> tuple[int, int]:
    """(monotonic, wall) of one moment, ns: read again if the scheduler came between."""
    for _ in range(CLOCK_READINGS):
        mono_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        if time.monotonic_ns() - mono_ns < CLOCKS_APART_NS:
            break
    return mono_ns, wall_ns


def _arrival_ms(ancillary: list[tuple[int, int, bytes]]) -> float:
    mono_ns, wall_ns = _both_clocks()
    now_ms = mono_ns / 1e6
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= TIMESPEC.size:
            seconds, nanoseconds = TIMESPEC.unpack_from(value)
            ago_ms = (wall_ns - (seconds * 1_000_000_000 + nanoseconds)) / 1e6
            return now_ms - ago_ms if 0 <= ago_ms < 1_000 else now_ms  # else the wall clock was set meanwhile
    return now_ms


class Framed:
    """One TCP connection that carries packets, each with its length in two bytes ahead of it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.closed = False
        self._in = bytearray()
        self._out = bytearray()

    @property
    def wants_to_write(self) -> bool:
        return bool(self._out) and not self.closed

    def packets(self) -> Iterator[bytes]:
        """Whole packets that have come; `closed` is set when the other side has ended."""
        try:
            data = self.sock.recv(MAX_PACKET_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        self._in += data
        while len(self._in) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._in)
            end = LENGTH.size + length
            if len(self._in) < end:
                return
            yield bytes(self._in[LENGTH.size : end])
            del self._in[:end]

    def send(self, data: bytes) -> None:
        """Now, or as soon as the other side reads. Raises ConnectionResetError if the connection has ended."""
        if not self.closed:
            self._out += LENGTH.pack(len(data)) + data
            self.flush()
        if self.closed:
            raise ConnectionResetError

    def close(self) -> None:
        self.closed = True
        self.sock.close()

    def flush(self) -> None:
        try:
            sent = self.sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.closed = True
            return
        del self._out[:sent]
