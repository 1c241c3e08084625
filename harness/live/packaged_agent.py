"""`--agent NAME`: an agent that a package provides by entry point; its interface is in `harness.model.extension`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import AttemptError
from harness.live.attendance import Attendance, wait_until_linked
from harness.live.rooms import Rooms
from harness.model.capture import AgentUnderTest
from harness.model.extension import AGENTS, Agent, Call
from harness.model.plan import AgentSpec
from harness.model.status import CaptureStatus
from harness.options.extensions import made, version_of


def packaged_agent(spec: AgentSpec, captures: Path, about: AgentUnderTest) -> PackagedAgent:
    """Raises UsageError if the package gives none."""
    agent = made(AGENTS, spec.value, "attend")
    return PackagedAgent(spec.value, agent, captures, about, spec.join_s, version_of(AGENTS, spec.value))


@dataclass
class PackagedAgent:
    """`agent`: what the package gives."""

    name: str
    agent: Agent
    captures: Path
    about: AgentUnderTest
    join_s: float
    versions: dict[str, str]

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        token = rooms.token(room, "agent", {"role": "agent"})
        call = Call(rooms.url, room, user_identity, token, rooms.api_key, rooms.api_secret, self.captures.resolve())
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.agent.attend(call))
            except Exception as error:  # the package's code may raise anything; it is the agent's fault
                told = f"the agent {self.name} did not come: {type(error).__name__}: {error}"
                raise AttemptError(CaptureStatus.AGENT_ABSENT, told) from error
            why = f"the agent {self.name} was started, but no agent with an audio track came into the room"
            named = self.about.identity
            identity, has_track = await wait_until_linked(room, rooms, user_identity, why, self.join_s, named)
            yield Attendance(identity=identity, has_track=has_track)
