"""Messages between an engine and its worker process: a line of JSON, then `n_bytes` of payload if it names any.

It imports next to nothing, for a fresh worker starts after every cancelled segment, and a user may wait for it.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO


def packed(message: dict[str, Any], payload: bytes = b"") -> bytes:
    """A message's bytes on the pipe, either way."""
    if payload:
        message = {**message, "n_bytes": len(payload)}
    return json.dumps(message).encode() + b"\n" + payload


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The worker process's next message, or None at the pipe's end."""
    line = stream.readline()
    if not line:
        return None
    message = json.loads(line)
    return message, stream.read(message.get("n_bytes", 0))


def write_message(stream: BinaryIO, message: dict[str, Any], payload: bytes = b"") -> None:
    stream.write(packed(message, payload))
    stream.flush()
