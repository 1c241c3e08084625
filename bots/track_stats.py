"""WebRTC's statistics of a track, as dicts with the names of LiveKit's protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from google.protobuf.json_format import MessageToDict

log = logging.getLogger(__name__)

STATS_TIMEOUT_S = 2.0


async def stats_of(track: Any) -> list[dict[str, Any]]:
    """Empty for a track that is gone meanwhile. Raises TimeoutError."""
    async with asyncio.timeout(STATS_TIMEOUT_S):
        try:
            found = await track.get_stats()
        except Exception as error:  # livekit raises nothing narrower ("no transceiver found for track")
            log.debug("no statistics of a track: %s", error)
            return []
    return [MessageToDict(item, preserving_proto_field_name=True) for item in found]
