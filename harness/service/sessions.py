"""Bring the agent back into calls in progress after a part has died.

A person's page finds the media server again by itself. A new agent does not know the old one's rooms, so it is asked into
each room where a user with our token waits (attribute role=user). The new agent has the dead one's identity, so LiveKit
removes the dead one's ghost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
from livekit import api

from harness.provide.media_server import LiveKitTarget

log = logging.getLogger(__name__)

LOOK_FOR_S = 30.0  # a page gives up reconnecting later, but by then it is long back
LOOK_EVERY_S = 0.25
ASK_TIMEOUT_S = 5.0

Join = Callable[[str], Awaitable[None]]


async def rooms_of_users(service: api.LiveKitAPI) -> list[str]:
    """Rooms that hold a user of ours."""
    found = []
    for room in (await service.room.list_rooms(api.ListRoomsRequest())).rooms:
        try:
            there = await service.room.list_participants(api.ListParticipantsRequest(room=room.name))
        except api.TwirpError:  # it has just been closed
            continue
        if any(person.attributes.get("role") == "user" for person in there.participants):
            found.append(room.name)
    return found


async def bring_agent_back(target: LiveKitTarget, join: Join, look_for_s: float = LOOK_FOR_S) -> None:
    """Look for `look_for_s`, because users' pages come back one by one. Joining a room twice is harmless."""
    asked: set[str] = set()
    service = api.LiveKitAPI(target.url.replace("ws", "http", 1), target.api_key, target.api_secret)
    try:
        async with asyncio.timeout(look_for_s):
            while True:
                try:
                    async with asyncio.timeout(ASK_TIMEOUT_S):
                        for room in await rooms_of_users(service):
                            await join(room)
                            if room not in asked:
                                log.info("the agent is back in room %s", room)
                            asked.add(room)
                except (aiohttp.ClientError, OSError, api.TwirpError, TimeoutError) as error:
                    log.info("not yet: %r", error)
                await asyncio.sleep(LOOK_EVERY_S)  # no event tells of a room from outside
    except TimeoutError:
        return
    finally:
        await service.aclose()
