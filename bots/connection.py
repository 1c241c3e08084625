"""Joining a LiveKit room and leaving it in order.

A process that ends without `disconnect` makes the native runtime panic, so a connection is a context manager. Errors
that LiveKit raises on connecting become RoomJoinError with the URL (never the token) in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livekit import rtc

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
DISCONNECT_TIMEOUT_S = 3.0
OTHERS_TIMEOUT_S = 0.5
OTHERS_POLL_S = 0.02


class RoomJoinError(Exception):
    """The room could not be joined."""


async def leave(room: rtc.Room) -> None:
    """Leave after the others have taken their tracks away, if they do so in time: livekit 1.2.1 leaks 0.45 MiB of every
    room that is left while another participant has a track (rust-sdks, pull request 1435).
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(OTHERS_TIMEOUT_S):
            while room.isconnected() and any(  # noqa: ASYNC110 - no event reports each track of a participant that is gone
                p.track_publications for p in room.remote_participants.values()
            ):
                await asyncio.sleep(OTHERS_POLL_S)
    try:
        async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
            await room.disconnect()
    except TimeoutError:
        log.warning("leaving room %s took more than %.0f s", room.name, DISCONNECT_TIMEOUT_S)


@asynccontextmanager
async def joined(
    room: rtc.Room, url: str, token: str, *, auto_subscribe: bool, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[rtc.Room]:
    """`room`, whose handlers are already set, connected; left at the end. Raises RoomJoinError."""
    try:
        async with asyncio.timeout(timeout_s):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=auto_subscribe))
    except TimeoutError as error:
        raise RoomJoinError(f"{url} did not let us join within {timeout_s:.0f} s") from error
    except rtc.ConnectError as error:
        raise RoomJoinError(f"{url} refused: {error}") from error
    try:
        yield room
    finally:
        await leave(room)


async def published(
    room: rtc.Room, track: rtc.LocalAudioTrack, options: rtc.TrackPublishOptions, timeout_s: float = CONNECT_TIMEOUT_S
) -> None:
    """Publish `track` to the media server. Raises RoomJoinError."""
    try:
        async with asyncio.timeout(timeout_s):
            await room.local_participant.publish_track(track, options)
    except TimeoutError as error:
        raise RoomJoinError(f"the track {track.name} was not taken within {timeout_s:g} s") from error
    except rtc.participant.PublishTrackError as error:
        raise RoomJoinError(f"the track {track.name} was refused: {error}") from error
