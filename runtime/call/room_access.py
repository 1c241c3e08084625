"""What the agent needs to join and leave a room: token, publish options, the audio filters a test may plug in."""

from __future__ import annotations

import asyncio
import contextlib
import importlib

from livekit import api, rtc

from runtime.audio.publisher import RATE_HZ, AudioFilter
from runtime.settings import RuntimeSettings

ALONE_POLL_S = 0.02


def load_filter(name: str | None, room: str) -> AudioFilter | None:
    """`module:factory` → the filter that `factory(rate_hz, room)` makes. Raises ValueError, ImportError,
    AttributeError.
    """
    if name is None:
        return None
    module, separator, factory = name.partition(":")
    if not separator:
        raise ValueError(f"audio filter {name!r}: expected module:factory")
    made: AudioFilter = getattr(importlib.import_module(module), factory)(RATE_HZ, room)
    return made


def publish_options(settings: RuntimeSettings) -> rtc.TrackPublishOptions:
    """One microphone track. The SDK cannot set Opus's in-band FEC: SDP negotiates it."""
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=settings.opus_dtx, red=settings.opus_red
    )
    options.audio_encoding.max_bitrate = settings.opus_bits_per_s
    return options


def agent_token(settings: RuntimeSettings, room: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(settings.api_key, settings.api_secret).with_identity("agent").with_grants(grants)
    return token.with_attributes({"role": "agent"}).with_kind("agent").to_jwt()


async def nobody_publishes(room: rtc.Room, timeout_s: float) -> None:
    """Wait until no other participant has a track here, no longer than `timeout_s`.

    livekit 1.2.1 keeps a room's whole WebRTC (0.45 MiB) as long as the process lives if somebody else had a track when the
    agent left: each remote publication's callbacks hold the participant that owns it (rust-sdks, pull request 1435).
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while any(other.track_publications for other in room.remote_participants.values()):  # noqa: ASYNC110 - no event tells of each track
                await asyncio.sleep(ALONE_POLL_S)
