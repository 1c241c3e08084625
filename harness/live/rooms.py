"""Rooms seen from the server's API: tokens, who is in a room, dispatch of a worker, deletion.

A room's events do not reach those outside it, so `wait_for_participants` polls every POLL_S; whatever has an event
inside the room is waited for there instead. A server that does not answer is an AttemptError.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit import api

from bots.connection import RoomJoinError
from harness.errors import AttemptError
from harness.model.status import CaptureStatus
from harness.provide.certificates import trusting_connector

TOKEN_TTL = datetime.timedelta(minutes=30)
POLL_S = 0.1
API_TIMEOUT_S = 5.0

Participants = Sequence[Any]


@dataclass(frozen=True)
class Rooms:
    """The media server's rooms. `url` is what participants join by (ws://…)."""

    url: str
    api_key: str
    api_secret: str
    service: api.LiveKitAPI

    def token(self, room: str, identity: str, attributes: Mapping[str, str], *, hidden: bool = False) -> str:
        """A short-lived token for one identity in one room; `hidden`: the others do not see it there.

        An agent's token lets it set `lk.agent.state`, and makes it an agent for pages that look for one.
        """
        grants = api.VideoGrants(room_join=True, room=room, hidden=hidden)
        is_agent = attributes.get("role") == "agent"
        if is_agent:
            grants.can_update_own_metadata = True  # without it the server silently drops its attributes
        return (
            api.AccessToken(self.api_key, self.api_secret)
            .with_kind("agent" if is_agent else "standard")
            .with_identity(identity)
            .with_grants(grants)
            .with_attributes(dict(attributes))
            .with_ttl(TOKEN_TTL)
            .to_jwt()
        )

    async def create(self, room: str, metadata: str = "") -> str:
        """Returns the server's own id of it."""
        async with _answering(f"make room {room}"):
            wanted = api.CreateRoomRequest(name=room, empty_timeout=60, metadata=metadata)
            return str((await self.service.room.create_room(wanted)).sid)

    async def delete(self, room: str) -> None:
        """Delete `room`; a missing server or room is no error here."""
        try:
            async with asyncio.timeout(API_TIMEOUT_S):
                await self.service.room.delete_room(api.DeleteRoomRequest(room=room))
        except (TimeoutError, aiohttp.ClientError, api.TwirpError):
            return

    async def participants(self, room: str) -> Participants:
        async with _answering(f"say who is in room {room}"):
            try:
                answer = await self.service.room.list_participants(api.ListParticipantsRequest(room=room))
            except api.TwirpError as error:
                if error.code != api.TwirpErrorCode.NOT_FOUND:
                    raise
                return []  # the room does not exist yet
        return list(answer.participants)

    async def wait_for_participants(self, room: str, condition: Callable[[Participants], bool]) -> None:
        """Wait until `condition` holds of the room's participants. The caller sets the timeout."""
        while not condition(await self.participants(room)):  # noqa: ASYNC110 - no event reaches those outside the room
            await asyncio.sleep(POLL_S)

    async def keep_from(self, room: str, identity: str, track_sids: Sequence[str]) -> bool:
        """Unsubscribe `identity` from these tracks; False if the server did not do it."""
        try:
            async with asyncio.timeout(API_TIMEOUT_S):
                await self.service.room.update_subscriptions(
                    api.UpdateSubscriptionsRequest(room=room, identity=identity, track_sids=track_sids, subscribe=False)
                )
        except (TimeoutError, aiohttp.ClientError, api.TwirpError):
            return False
        return True

    async def dispatch(self, room: str, agent_name: str, metadata: str = "") -> None:
        async with _answering(f"send {agent_name!r} into room {room}"):
            await self.service.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name=agent_name, room=room, metadata=metadata)
            )

    async def dispatched_jobs(self, room: str) -> int:
        """How many jobs the server has given to workers for this room."""
        async with _answering(f"say what was sent into room {room}"):
            dispatches = await self.service.agent_dispatch.list_dispatch(room_name=room)
        return sum(len(dispatch.state.jobs) for dispatch in dispatches)


@asynccontextmanager
async def _answering(what: str) -> AsyncIterator[None]:
    """One question to the server's API. Raises AttemptError (SERVER_LOST) with the limit that passed, or the refusal."""
    try:
        async with asyncio.timeout(API_TIMEOUT_S):
            yield
    except TimeoutError as error:
        detail = f"the media server did not {what} within {API_TIMEOUT_S:g} s"
        raise AttemptError(CaptureStatus.SERVER_LOST, detail) from error
    except (aiohttp.ClientError, api.TwirpError) as error:
        detail = f"the media server did not {what}: {error or type(error).__name__}"
        raise AttemptError(CaptureStatus.SERVER_LOST, detail) from error


@asynccontextmanager
async def open_rooms(url: str, api_key: str, api_secret: str) -> AsyncIterator[Rooms]:
    connector = trusting_connector(url)
    session = aiohttp.ClientSession(connector=connector) if connector is not None else None
    service = api.LiveKitAPI(url.replace("ws", "http", 1), api_key, api_secret, session=session)
    try:
        yield Rooms(url, api_key, api_secret, service)
    finally:
        await service.aclose()
        if session is not None:
            await session.close()


async def served(step: Awaitable[Any]) -> Any:
    """A step that talks to the media server; its failure means that the server is gone."""
    try:
        return await step
    except (RoomJoinError, aiohttp.ClientError, api.TwirpError, TimeoutError) as error:
        raise AttemptError(CaptureStatus.SERVER_LOST, f"the media server does not answer: {error}") from error
