"""A LiveKit Agents session of another release: what is missing there costs its own part, and the session nothing.

`tests/live/test_attached_worker.py` runs a real worker of the release that `attach` was written for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from earwitness.attached.wire import TOPIC
from earwitness.livekit import attach
from harness.model.events import parse_event
from tests.attached.test_call import asked


class Emitter:
    """livekit.rtc.EventEmitter"""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., None]] = {}

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self.handlers[name] = handler


class Session(Emitter):
    """An AgentSession without an output yet."""

    def __init__(self) -> None:
        super().__init__()
        self.output: Any = SimpleNamespace(audio=None)


class Room(Emitter):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.local_participant = self

    async def publish_data(self, payload: bytes, *, reliable: bool, topic: str) -> None:
        self.sent.append(payload)


class Job:
    """A JobContext."""

    def __init__(self) -> None:
        self.room = Room()
        self.shut_down: list[Callable[[], Any]] = []

    def add_shutdown_callback(self, callback: Callable[[], Any]) -> None:
        self.shut_down.append(callback)


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CAPTURES", str(tmp_path))


async def test_a_release_without_a_room_io_of_that_name_still_tells_its_states() -> None:
    session, job = Session(), Job()
    attach(session, job)
    named = json.loads(asked("trace")) | {"data": {"user": "user-1"}}
    job.room.handlers["data_received"](SimpleNamespace(topic=TOPIC, data=json.dumps(named).encode()))
    session.handlers["agent_state_changed"](SimpleNamespace(new_state="listening"))
    await asyncio.sleep(0)
    await job.shut_down[0]()
    assert [parse_event(payload).type.value for payload in job.room.sent] == ["trace_ack", "agent_state"]


async def test_a_session_that_cannot_be_looked_at_answers_no_barrier(caplog: pytest.LogCaptureFixture) -> None:
    session, job = Session(), Job()
    session.output = SimpleNamespace()
    tasks = asyncio.all_tasks()
    attach(session, job)
    assert "the session is not measured inside" in caplog.text
    assert (session.handlers, job.room.handlers, job.shut_down) == ({}, {}, [])
    assert asyncio.all_tasks() == tasks
