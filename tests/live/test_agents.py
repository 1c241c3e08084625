"""An agent by command: its secrets are not repeated, its end is noticed. No call is made here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import AttemptError, HarnessError
from harness.live.agents import open_agent
from harness.live.attendance import wait_until_linked
from harness.live.rooms import Participants, Rooms
from harness.model.plan import AgentSpec
from harness.model.status import CaptureStatus


async def test_a_command_is_known_by_itself_without_its_secret(tmp_path: Path) -> None:
    rooms = Rooms("ws://127.0.0.1:1", "key", "secret" * 6, None)  # type: ignore[arg-type]
    spec = AgentSpec("command", "nonexistent-program --api-key hunter2")
    async with open_agent(spec, rooms, tmp_path) as agent:
        assert agent.about.spec == "nonexistent-program --api-key ***"
        with pytest.raises(HarnessError, match="nonexistent-program") as caught:
            async with agent.attend("room", rooms, "user"):
                raise AssertionError("it cannot start")
    assert "hunter2" not in str(caught.value)


class NobodyComes(Rooms):
    """A room that is looked into for ever."""

    def __init__(self) -> None:
        super().__init__("ws://127.0.0.1:1", "key", "secret" * 6, None)  # type: ignore[arg-type]
        self.asked, self.asks = asyncio.Event(), 0

    async def wait_for_participants(self, room: str, condition: Callable[[Participants], bool]) -> None:
        self.asks += 1
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.asks -= 1


async def test_a_call_that_is_broken_off_while_its_agent_comes_looks_for_it_no_longer(tmp_path: Path) -> None:
    rooms = NobodyComes()
    async with open_agent(AgentSpec("command", "sleep 60"), rooms, tmp_path) as agent:
        attending = asyncio.create_task(agent.attend("room", rooms, "user").__aenter__())
        await rooms.asked.wait()
        attending.cancel()
        await asyncio.wait({attending})
        assert rooms.asks == 0


async def test_a_command_that_ends_before_it_joins_is_told_at_once(tmp_path: Path) -> None:
    rooms = NobodyComes()
    async with open_agent(AgentSpec("command", "sh -c 'echo no model; exit 4'"), rooms, tmp_path) as agent:
        with pytest.raises(AttemptError, match="before it joined, its process ended with 4: no model") as caught:
            async with agent.attend("room", rooms, "user"):
                raise AssertionError("nobody came")
    assert caught.value.status is CaptureStatus.AGENT_ABSENT
    assert rooms.asks == 0


def somebody(identity: str, state: str | None = None) -> SimpleNamespace:
    attributes = {} if state is None else {"lk.agent.state": state}
    return SimpleNamespace(identity=identity, attributes=attributes, tracks=[SimpleNamespace(type=0)])


@dataclass(frozen=True)
class Room(Rooms):
    """In which these are all along."""

    there: Participants = ()

    async def wait_for_participants(self, room: str, condition: Callable[[Participants], bool]) -> None:
        if not condition(self.there):
            await asyncio.Event().wait()


def room_with(*there: SimpleNamespace) -> Room:
    return Room("ws://127.0.0.1:1", "key", "secret" * 6, None, there)  # type: ignore[arg-type]


async def test_an_agent_whose_name_begins_like_the_probes_is_found() -> None:
    room = room_with(somebody("user"), somebody("probe"), somebody("probe-assistant"))
    assert await wait_until_linked("room", room, "user", "", 5.0) == ("probe-assistant", True)


@pytest.mark.parametrize(
    ("there", "named", "says"),
    [
        ([somebody("user"), somebody("probe")], None, "nobody came"),
        (
            [somebody("user"), somebody("desk", "initializing")],
            None,
            "desk came into the room, and its .* stayed 'init",
        ),
        ([somebody("user"), somebody("desk")], "clerk", r"nobody called 'clerk' came .*; in the room was desk"),
        ([somebody("user")], "clerk", "nobody came"),
    ],
)
async def test_who_was_there_in_the_agents_stead_is_named(
    there: list[SimpleNamespace], named: str | None, says: str
) -> None:
    with pytest.raises(AttemptError, match=says) as caught:
        await wait_until_linked("room", room_with(*there), "user", "nobody came", 0.01, named)
    assert caught.value.status is CaptureStatus.AGENT_ABSENT
