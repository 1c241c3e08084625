"""An agent by command: its secrets are not repeated. No call is made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.live.agents import open_agent
from harness.live.rooms import Rooms
from harness.model.plan import AgentSpec


async def test_a_command_is_known_by_itself_without_its_secret(tmp_path: Path) -> None:
    rooms = Rooms("ws://127.0.0.1:1", "key", "secret" * 6, None)  # type: ignore[arg-type]
    spec = AgentSpec("command", "nonexistent-program --api-key hunter2")
    async with open_agent(spec, rooms, tmp_path) as agent:
        assert agent.about.spec == "nonexistent-program --api-key ***"
        with pytest.raises(HarnessError, match="nonexistent-program") as caught:
            async with agent.attend("room", rooms, "user"):
                raise AssertionError("it cannot start")
    assert "hunter2" not in str(caught.value)
