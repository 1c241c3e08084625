"""The agent under test: how it joins a room, how its loss is noticed, how it is ended.

It is the reference runtime (one process for the whole run), a command (one process an attempt), a LiveKit Agents worker by
explicit dispatch, what a package provides (see `packaged_agent`), or whatever joins by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from harness.errors import AttemptError
from harness.live.attendance import Agent, Attendance, wait_until_linked
from harness.live.program import LOG, Program, unless_it_ends, watched
from harness.live.rooms import Rooms
from harness.model.capture import AgentUnderTest
from harness.model.plan import AgentSpec
from harness.model.status import CaptureStatus
from harness.processes.child import Child
from harness.processes.loopback import past_the_proxy
from harness.processes.spec import ChildSpec
from harness.provide.vad_model import require_vad_model

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

READY_TIMEOUT_S = 60.0  # engines load
INVITE_TIMEOUT_S = 10.0
METRICS_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 5.0


@dataclass
class ReferenceAgent:
    """`python -m runtime`, serving every room of the run; started again if it died between two attempts."""

    rooms: Rooms
    captures: Path
    log_path: Path
    extra_env: dict[str, str]
    about: AgentUnderTest = field(default_factory=lambda: AgentUnderTest(kind="reference", instrumented=True))
    versions: dict[str, str] = field(default_factory=dict)
    _running: Child | None = None
    _http: str = ""
    _token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Raises ProvisionError, HarnessError if it does not come up."""
        require_vad_model()
        env = {
            **past_the_proxy(os.environ),
            "LIVEKIT_URL": self.rooms.url,
            "LIVEKIT_API_KEY": self.rooms.api_key,
            "LIVEKIT_API_SECRET": self.rooms.api_secret,
            "EARWITNESS_CAPTURES": str(self.captures.resolve()),
            "EARWITNESS_CONTROL_TOKEN": self._token,
            **self.extra_env,
        }
        argv = [sys.executable, "-P", "-m", "runtime", "--exit-with-parent"]
        spec = ChildSpec("the reference agent", argv, self.log_path, env=env, stdout="lines", awaited=b"{")
        self._running = await Child.start(spec)
        try:
            ready = await self._running.ready(READY_TIMEOUT_S)
        except BaseException:
            await self.stop()
            raise
        self._running.log_the_rest()
        self._http = ready["http"]
        self.versions = {f"agent.{name}": str(value) for name, value in ready.get("versions", {}).items()}
        self.about = self.about.model_copy(
            update={"vad_hangover_ms": ready["vad_hangover_ms"], "speculative": ready["speculative"]}
        )

    async def stop(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            await running.stop()

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running is not None else None

    async def metrics(self) -> str:
        """The agent's own counters, as Prometheus text. Raises aiohttp.ClientError, TimeoutError."""
        async with asyncio.timeout(METRICS_TIMEOUT_S), self._client() as client:
            async with client.get(f"{self._http}/metrics", raise_for_status=True) as answer:
                return await answer.text()

    def _client(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})

    async def _post(self, path: str, room: str) -> None:
        async with self._client() as client:
            async with client.post(f"{self._http}{path}", json={"room": room}) as answer:
                if answer.status != 200:
                    raise AttemptError(CaptureStatus.AGENT_ABSENT, f"the agent answered {answer.status} to {path}")

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        async with self._starting:  # sessions side by side share one agent
            if self._running is None or not self._running.is_alive:
                await self.stop()
                await self.start()
        assert self._running is not None
        async with watched(self._running) as attendance:
            try:
                async with asyncio.timeout(INVITE_TIMEOUT_S):
                    await self._post("/agent/join", room)
            except TimeoutError as error:
                detail = f"the agent did not join {room} within {INVITE_TIMEOUT_S:.0f} s"
                raise AttemptError(CaptureStatus.AGENT_ABSENT, detail) from error
            except aiohttp.ClientError as error:
                raise AttemptError(CaptureStatus.AGENT_ABSENT, f"the agent did not join {room}: {error!r}") from error
            leaving = asyncio.create_task(self._dismiss(attendance, room))
            try:
                yield attendance
            finally:
                attendance.dismissed.set()
                await leaving

    async def _dismiss(self, attendance: Attendance, room: str) -> None:
        await attendance.dismissed.wait()
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, AttemptError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._post("/agent/leave", room)


@dataclass
class CommandAgent:
    """`--agent "command: …"`: {livekit_url}, {token} and {room} are filled in; the environment has the same values, with the
    media server's key and secret, for a framework that makes its own token.
    """

    program: Program
    captures: Path
    about: AgentUnderTest
    join_s: float
    versions: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        token = rooms.token(room, "agent", {"role": "agent"})
        values = {"livekit_url": rooms.url, "token": token, "room": room}
        env = {
            "LIVEKIT_URL": rooms.url,
            "LIVEKIT_TOKEN": token,
            "LIVEKIT_ROOM": room,
            "LIVEKIT_API_KEY": rooms.api_key,
            "LIVEKIT_API_SECRET": rooms.api_secret,
            "EARWITNESS_CAPTURES": str(self.captures.resolve()),
        }
        async with self.program.started(room, values, env, (token, rooms.api_secret)) as attendance:
            why = (
                "the agent's command started, but no agent with an audio track came into the room; "
                f"what it wrote is in {self.program.log_path}"
            )
            linked = wait_until_linked(room, rooms, user_identity, why, self.join_s, self.about.identity)
            attendance.identity, attendance.has_track = await unless_it_ends(attendance, linked, "it joined")
            yield attendance


@dataclass
class DispatchedAgent:
    """`--agent dispatch:NAME`: a worker registered with the media server under that name."""

    name: str
    about: AgentUnderTest
    join_s: float
    metadata: str = ""  # of the dispatched job
    versions: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        await rooms.dispatch(room, self.name, self.metadata)
        why = f"the worker {self.name!r} took the job, but published no audio track"
        try:
            identity, has_track = await wait_until_linked(
                room, rooms, user_identity, why, self.join_s, self.about.identity
            )
        except AttemptError as error:
            if error.status is not CaptureStatus.AGENT_ABSENT or await rooms.dispatched_jobs(room) > 0:
                raise
            unavailable = (
                f"no worker named {self.name!r} took the job within {self.join_s:g} s: "
                "none is registered under this name, or it declared itself unavailable (load threshold)"
            )
            raise AttemptError(CaptureStatus.AGENT_UNAVAILABLE, unavailable) from error
        yield Attendance(identity=identity, has_track=has_track)


@dataclass
class RoomAgent:
    """`--agent room`: the agent joins by itself."""

    about: AgentUnderTest
    join_s: float
    versions: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        why = "no agent with an audio track came into the room by itself"
        identity, has_track = await wait_until_linked(room, rooms, user_identity, why, self.join_s, self.about.identity)
        yield Attendance(identity=identity, has_track=has_track)


@asynccontextmanager
async def open_agent(
    spec: AgentSpec,
    rooms: Rooms,
    run_dir: Path,
    extra_env: dict[str, str] | None = None,
    metadata: str = "",
    telemetry: Receiver | None = None,
) -> AsyncIterator[Agent]:
    """The agent that `spec` names, for a whole run. Raises HarnessError if the reference agent does not come up.

    `metadata` goes with each job of a dispatched worker. `telemetry`: where a command's spans are to go.
    """
    logs = run_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    about = AgentUnderTest(
        kind="command" if spec.kind == "package" else spec.kind,  # both are started for each attempt
        spec=spec.value,
        instrumented=spec.instrumented,
        identity=spec.identity,
        vad_hangover_ms=spec.hangover_ms,
    )
    async with AsyncExitStack() as stack:
        match spec.kind:
            case "reference":
                captures = run_dir / "captures"
                captures.mkdir(parents=True, exist_ok=True)
                variables = " ".join(f"{name}={value}" for name, value in spec.env)  # another agent for a comparison
                reference = ReferenceAgent(
                    rooms, captures, logs / LOG, {**dict(spec.env), **(extra_env or {})},
                    AgentUnderTest(kind="reference", spec=variables, instrumented=True),
                )  # fmt: skip
                stack.push_async_callback(reference.stop)
                await reference.start()
                yield reference
            case "command":
                program = Program(spec.value, logs, telemetry)
                yield CommandAgent(program, run_dir / "captures", about, spec.join_s)
            case "dispatch":
                yield DispatchedAgent(spec.value, about, spec.join_s, metadata)
            case "package":
                from harness.live.packaged_agent import packaged_agent

                yield packaged_agent(spec, run_dir / "captures", about)
            case "page":
                raise AssertionError("whoever is behind a page comes into no room: see page_agent.py")
            case "room":
                yield RoomAgent(about, spec.join_s)
