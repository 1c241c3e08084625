"""The interface of every agent under test, its presence in one room, and the wait for its arrival."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Protocol

from bots.probe_bot import PROBE_IDENTITY
from bots.roster import AGENT_STATE
from harness.errors import AttemptError
from harness.live.rooms import Participants, Rooms
from harness.model.capture import AgentUnderTest
from harness.model.status import CaptureStatus

NOT_YET = ("initializing", "connecting")  # lk.agent.state until a worker has linked to the user
LONGER = "--agent-join-s waits longer"
NO_TRACK_S = 8.0  # an agent that is in the room for so long has arrived, also without an audio track


class Agent(Protocol):
    """One agent under test for a whole run."""

    about: AgentUnderTest
    versions: dict[str, str]

    def attend(self, room: str, rooms: Rooms, user_identity: str) -> contextlib.AbstractAsyncContextManager[Attendance]:
        """Bring the agent into `room`; at the end it is dismissed. Raises AttemptError."""
        ...


@dataclass
class Attendance:
    """The agent's presence in one room. `lost` is set when its process ends, `dismissed` when the call is over: the
    reference agent then takes its track away, and leaves when the others have gone.
    """

    lost: asyncio.Event = field(default_factory=asyncio.Event)
    lost_why: str = ""
    exit_code: int | None = None  # of its process, once `lost`
    dismissed: asyncio.Event = field(default_factory=asyncio.Event)
    identity: str | None = None  # of the agent's participant
    has_track: bool = True  # it had an audio track when it came
    port: int | None = None  # on which it was told to serve its page


def _others(participants: Participants, user_identity: str) -> list:
    return [p for p in participants if p.identity not in (user_identity, PROBE_IDENTITY)]


def _there_instead(there: list, named: str | None) -> str:
    """Who was there and could not be taken for the agent, in words; "" for nobody, and for one that just came."""
    wanted = [p for p in there if named in (None, p.identity)]
    if there and not wanted:
        others = ", ".join(p.identity for p in there)
        return f"nobody called {named!r} came (--agent-identity); in the room was {others}"
    states = ((p.identity, p.attributes.get(AGENT_STATE)) for p in wanted)
    stuck = next(((identity, state) for identity, state in states if state in NOT_YET), None)
    return "" if stuck is None else f"{stuck[0]} came into the room, and its {AGENT_STATE} stayed {stuck[1]!r}"


async def wait_until_linked(
    room: str, rooms: Rooms, user_identity: str, why: str, join_s: float, named: str | None = None
) -> tuple[str, bool]:
    """Wait until an agent (`named`, or any) is in the room with an audio track and, if it sets a state, has linked to the
    user. Returns (identity, has a track): an agent without a track after NO_TRACK_S may publish it when it speaks.
    """
    loop = asyncio.get_running_loop()
    came_s: dict[str, float] = {}
    found: list[tuple[str, bool]] = []
    there: list = []

    def linked(participants: Participants) -> bool:
        there[:] = _others(participants, user_identity)
        for participant in there:
            if named is not None and participant.identity != named:
                continue
            since_s = came_s.setdefault(participant.identity, loop.time())
            if participant.attributes.get(AGENT_STATE) in NOT_YET:
                continue
            has_track = any(track.type == 0 for track in participant.tracks)
            if has_track or loop.time() - since_s >= NO_TRACK_S:
                found.append((participant.identity, has_track))
        return bool(found)

    try:
        async with asyncio.timeout(join_s):
            await rooms.wait_for_participants(room, linked)
    except TimeoutError as error:
        detail = f"{_there_instead(there, named) or why} (waited {join_s:g} s; {LONGER})"
        raise AttemptError(CaptureStatus.AGENT_ABSENT, detail) from error
    return max(found, key=lambda item: item[1])
