"""One trial: N sessions at once with one freshly started agent; what it used meanwhile, and what the listening half heard.

All sessions join, wait for each other (and until the agent prepares nothing any more), and begin to speak one after the other,
STAGGER_S apart: nobody's users all speak at the same instant. What the agent uses is taken from the first word until the first
session leaves. Captures are heard and judged when the last one has left.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cost import processes
from benchmarks.cost.agents import Running, started
from benchmarks.cost.figures import SessionResult, TrialResult, Use
from harness.errors import HarnessError, ProvisionError
from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.live.attempt import Attempt
from harness.live.cpu import busy_percent
from harness.live.rooms import Rooms
from harness.live.scene import Scene
from harness.model.capture import Manifest
from harness.model.plan import BuiltCase, PageSpec
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict
from harness.provide.media_server import MediaServer
from harness.run.plan import new_run_id

STAGGER_S = 0.7  # a turn takes about 4 s: six sessions spread over one
TOGETHER_TIMEOUT_S = 90.0  # until every session has joined, or has ended before
SETTLE_TIMEOUT_S = 60.0
LATENCY = "eot_to_first_audio_ms"


@dataclass(frozen=True)
class _Reading:
    """Where the clocks stood: the loop's (s), the agent's processor time, each core's."""

    at_s: float
    agent: processes.TreeTime
    cores: tuple[Any, ...]


@dataclass
class Together:
    """Where the sessions of a trial wait for each other; each has a `Place` in it."""

    running: Running
    expected: int
    core: int
    notes: list[str] = field(default_factory=list)
    use: Use | None = None
    arrived: int = 0
    _all_here: asyncio.Event = field(default_factory=asyncio.Event)
    _before: _Reading | None = None
    _reading: asyncio.Task[None] | None = None

    def arrive(self) -> int:
        """Its number, from 0."""
        self.arrived += 1
        self._look()
        return self.arrived - 1

    def missing(self) -> None:
        """A session has ended without having arrived."""
        self.expected -= 1
        self._look()

    def _look(self) -> None:
        if self.arrived >= self.expected:
            self._all_here.set()

    async def wait(self) -> None:
        """Until everybody is here, and the agent prepares nothing any more."""
        try:
            async with asyncio.timeout(TOGETHER_TIMEOUT_S):
                await self._all_here.wait()
        except TimeoutError:
            self.notes.append(f"not all sessions had joined after {TOGETHER_TIMEOUT_S:.0f} s")
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                await self.running.settled.wait()
        except TimeoutError:
            self.notes.append(f"the agent was still preparing after {SETTLE_TIMEOUT_S:.0f} s")
        if self._before is None:
            self._before = self._read()

    def end(self) -> None:
        """Somebody leaves; the others may be in mid-turn, so the reading is no work of the loop's."""
        if self._reading is None and self._before is not None:
            self._reading = asyncio.create_task(asyncio.to_thread(self._finish, self._before))

    def _read(self) -> _Reading:
        times = tuple(psutil.cpu_times(percpu=True))
        return _Reading(time.monotonic(), processes.cpu_time(self.running.pid), times)

    def _finish(self, before: _Reading) -> None:
        after = self._read()
        busy = [busy_percent(x, y) for x, y in zip(before.cores, after.cores, strict=True)]
        others = [percent for number, percent in enumerate(busy) if number != self.core and percent is not None]
        self.use = Use(
            wall_s=after.at_s - before.at_s,
            cpu=after.agent.since(before.agent),
            memory=processes.memory(self.running.pid),
            agents_core_percent=busy[self.core],
            other_cores_percent=sum(others) / len(others) if others else None,
        )

    async def close(self) -> None:
        if self._reading is not None:
            await self._reading


@dataclass
class Place:
    """One session's place; what `harness.live.governor.Seat` promises."""

    together: Together
    launching_beside: int = 0
    taken: bool = False

    async def measure(self) -> bool:
        self.taken = True
        number = self.together.arrive()
        await self.together.wait()
        await asyncio.sleep(number * STAGGER_S)  # the spacing itself
        return True

    def leave(self) -> None:
        self.together.end()

    def underrun(self) -> None:
        return

    def give_back(self) -> None:
        """Its session has ended."""
        if not self.taken:
            self.together.missing()


async def play(
    arm: str, sessions: int, number: int, built: BuiltCase, server: MediaServer, rooms: Rooms, out: Path, core: int
) -> TrialResult:
    """An agent that does not come up costs its trial, not the run. Raises ProvisionError."""
    run_id = f"{new_run_id()}-{arm}"
    run_dir = out / run_id
    run_dir.mkdir(parents=True)
    try:
        return await _play(arm, sessions, number, built, _Stage(run_id, run_dir, server, rooms, core))
    except ProvisionError:
        raise
    except HarnessError as error:
        return TrialResult(arm, sessions, number, (), (), None, None, (str(error),))


@dataclass(frozen=True)
class _Stage:
    """Where a trial plays."""

    run_id: str
    run_dir: Path
    server: MediaServer
    rooms: Rooms
    core: int


async def _play(arm: str, sessions: int, number: int, built: BuiltCase, stage: _Stage) -> TrialResult:
    rooms, run_dir, core = stage.rooms, stage.run_dir, stage.core
    async with started(arm, sessions, rooms, run_dir, core) as running:
        idle = await asyncio.to_thread(processes.memory, running.pid)
        scene = _scene(stage, running)
        together = Together(running, sessions, core)

        async def session(n: int) -> tuple[Path, Manifest]:
            place = Place(together)
            attempt = Attempt(scene, built, n + 1, seat=place)
            try:
                return attempt.folder, await attempt.run()
            finally:
                place.give_back()

        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(session(n)) for n in range(sessions)]
        await together.close()
        joins = tuple(running.agent.join_ms)
    heard = [await asyncio.to_thread(_hear, built, *call.result()) for call in calls]
    return TrialResult(arm, sessions, number, tuple(heard), joins, idle, together.use, tuple(together.notes))


def _scene(stage: _Stage, running: Running) -> Scene:
    return Scene(
        run_id=stage.run_id,
        run_dir=stage.run_dir,
        media=stage.rooms,
        server_lost=stage.server.lost,
        server_version=stage.server.version,
        agent=running.agent,
        lane="bot",
        mic="scheduled",
        page=PageSpec(),
        page_url="",
        page_sha256=None,
        library_version="",
        open_browser=None,
    )


def _hear(built: BuiltCase, folder: Path, manifest: Manifest) -> SessionResult:
    measurement = listen(folder)
    return as_result(judge_attempt(built.case, manifest, measurement, folder.name))


def as_result(verdict: AttemptVerdict) -> SessionResult:
    """What a verdict says of a session: which blocking gates it passed, failed, or could not be judged by."""
    by_status: dict[Status, list[str]] = {}
    for gate in verdict.gates:
        if gate.blocking:
            by_status.setdefault(gate.status, []).append(gate.gate_id)
    latencies, invalid = [], 0
    for turn in verdict.measurement.turns if verdict.measurement is not None else ():
        metric = turn.metrics.get(LATENCY)
        if turn.utterance is None or metric is None or metric.value is None:
            continue
        believed = not metric.invalid and verdict.measurement is not None and verdict.measurement.validity.ok
        if believed:
            latencies.append(metric.value)
        else:
            invalid += 1
    reasons = [
        f"{gate.gate_id}: {gate.shown} {gate.reason}".strip()
        for gate in verdict.gates
        if gate.blocking and gate.status not in (Status.PASS, Status.NOT_APPLICABLE)
    ]
    return SessionResult(
        status=verdict.status,
        capture_status=verdict.capture_status,
        passed=tuple(by_status.get(Status.PASS, ())),
        failed=tuple(by_status.get(Status.FAIL, ())),
        unjudged=tuple(by_status.get(Status.INVALID, []) + by_status.get(Status.NO_DATA, [])),
        not_applicable=tuple(by_status.get(Status.NOT_APPLICABLE, ())),
        latencies_ms=tuple(latencies),
        invalid_turns=invalid,
        detail="; ".join([verdict.detail, *reasons][:4]).strip("; "),
    )
