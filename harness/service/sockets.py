"""Sockets on loopback that the supervisor holds and its parts serve on, so that an address outlives its process."""

from __future__ import annotations

import socket

from harness.errors import UsageError

HOST = "127.0.0.1"


def listen(port: int, option: str) -> socket.socket:
    """Port 0 is a free one. Raises UsageError if the port is taken; `option` sets another."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(f"port {port} on {HOST}: {error.strerror}; give another one with {option}") from error


def url_of(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"
