"""What only somebody with the server's key can do: another participant, the end of the room. Key in ZOO_API_KEY, secret in
ZOO_API_SECRET.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from livekit import api, rtc


def token(room: str, identity: str, kind: str = "standard", **attributes: str) -> str:
    """`kind`: LiveKit's (standard, agent, sip, egress); `attributes` say who."""
    return (
        api.AccessToken(os.environ["ZOO_API_KEY"], os.environ["ZOO_API_SECRET"])
        .with_identity(identity)
        .with_kind(kind)
        .with_attributes(attributes or {"role": "agent"})
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )


async def second_room(
    room: str, identity: str, *, kind: str = "standard", on_track: Callable | None = None, **attributes: str
) -> rtc.Room:
    """Somebody else, joined. `on_track`: called for each track that it subscribes to."""
    joined = rtc.Room()
    if on_track is not None:
        joined.on("track_subscribed", on_track)
    await joined.connect(os.environ["LIVEKIT_URL"], token(room, identity, kind, **attributes))
    return joined


def _service() -> api.LiveKitAPI:
    url = os.environ["LIVEKIT_URL"].replace("ws", "http", 1)
    return api.LiveKitAPI(url, os.environ["ZOO_API_KEY"], os.environ["ZOO_API_SECRET"])


async def delete_room(room: str) -> None:
    async with _service() as service:
        await service.room.delete_room(api.DeleteRoomRequest(room=room))


async def remove(room: str, identity: str) -> None:
    async with _service() as service:
        await service.room.remove_participant(api.RoomParticipantIdentity(room=room, identity=identity))
