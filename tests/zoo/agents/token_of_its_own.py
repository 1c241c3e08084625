"""What only somebody with the server's key can do: another participant, the end of the room. Key in ZOO_API_KEY, secret in
ZOO_API_SECRET.
"""

from __future__ import annotations

import os

from livekit import api, rtc


async def second_room(room: str, identity: str, **attributes: str) -> rtc.Room:
    """Somebody else, joined; `attributes` say who."""
    token = (
        api.AccessToken(os.environ["ZOO_API_KEY"], os.environ["ZOO_API_SECRET"])
        .with_identity(identity)
        .with_attributes(attributes or {"role": "agent"})
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )
    joined = rtc.Room()
    await joined.connect(os.environ["LIVEKIT_URL"], token)
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
