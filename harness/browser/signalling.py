"""What a page's own signalling connection shows: the server, the identity, the room.

LiveKit's clients carry their token in the signalling URL (`…/rtc?access_token=JWT`, also `/rtc/v1`). The token is read and
not verified: it only says whom to look for. Nothing of it but the identity and the room is kept.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class SignalConnection:
    """One signalling WebSocket that the page opened. `failed`: the browser's error, if it did not end in order."""

    origin: str
    identity: str | None
    room: str | None
    failed: str | None = None


def read_signalling(url: str) -> SignalConnection | None:
    """The connection that `url` opens; None for a WebSocket that has nothing to do with a media server."""
    parts = urlsplit(url)
    token = next(iter(parse_qs(parts.query).get("access_token", [])), None)
    if token is None:
        return None
    claims = _claims(token)
    video = claims.get("video")
    room = video.get("room") if isinstance(video, dict) else None
    identity = claims.get("sub")
    return SignalConnection(
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        identity if isinstance(identity, str) else None,
        room if isinstance(room, str) else None,
    )


def _claims(token: str) -> dict[str, Any]:
    """The middle part of a JWT; {} for other text."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
