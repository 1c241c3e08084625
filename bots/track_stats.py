"""WebRTC's statistics of a track, as dicts with the names of LiveKit's protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict

log = logging.getLogger(__name__)

STATS_TIMEOUT_S = 2.0
PACKET_MS = 20.0


async def stats_of(track: Any) -> list[dict[str, Any]]:
    """Empty for a track that is gone meanwhile. Raises TimeoutError."""
    async with asyncio.timeout(STATS_TIMEOUT_S):
        try:
            found = await track.get_stats()
        except Exception as error:  # livekit raises nothing narrower ("no transceiver found for track")
            log.debug("no statistics of a track: %s", error)
            return []
    return [MessageToDict(item, preserving_proto_field_name=True) for item in found]


def waiting_ms(stats: Sequence[Mapping[str, Any]]) -> float:
    """How much of a received track is in its jitter buffer: what came in packets, less what has left the buffer. 0 if unknown.

    Statistics of webrtc-stats (W3C): packetsReceived, jitterBufferEmittedCount; LiveKit's SDKs send 20 ms a packet.
    """
    for item in stats:
        inbound = item.get("inbound_rtp")
        if inbound is not None:
            came_ms = PACKET_MS * float(inbound.get("received", {}).get("packets_received", 0))
            return max(0.0, came_ms - float(inbound.get("inbound", {}).get("jitter_buffer_emitted_count", 0)) / 48.0)
    return 0.0
