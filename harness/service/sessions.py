"""After a part has died: calls in progress get their agent back.

A person's page finds the media server again by itself. The agent does not know of rooms that another process served, so it
is asked into each room where somebody waits who got in with a token of ours (attribute role=user). A dead agent's ghost is
thrown out by the new one, which has the same identity.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
from livekit import api

from harness.provide.media_server import LiveKitTarget

log = logging.getLogger(__name__)

LOOK_FOR_S = 30.0  # a page gives up its reconnecting later than that, but by then it has long come back
LOOK_EVERY_S = 0.25
ASK_TIMEOUT_S = 5.0

Join = Callable[[str], Awaitable[None]]


async def rooms_of_users(service: api.LiveKitAPI) -> list[str]:
    """Rooms with a user of ours in them."""
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
    """Until `look_for_s` have passed: users' pages come back one by one, so one look is not enough. Joining twice is none."""
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
                await asyncio.sleep(LOOK_EVERY_S)  # who is outside of a room gets no event about it
    except TimeoutError:
        return
    finally:
        await service.aclose()
