"""The agents whose cost is compared, each started afresh for a trial, on a core of its own.

`reference` and `stock` are measured by the same eyes: as agents that know nothing of the harness, so that only gates which both
have are judged. `inside` is the reference agent once more, instrumented, with every gate of a case. Join → ready is the time
from the request that an agent come into a room until the room shows an audio track of its own and (where it says so) that it
listens to the user.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cost import processes
from bots.probe_bot import PROBE_IDENTITY
from harness.errors import HarnessError, ProvisionError
from harness.live.agents import DispatchedAgent, ReferenceAgent
from harness.live.attendance import NOT_YET, Agent, Attendance
from harness.live.bench import SESSIONS
from harness.live.rooms import Participants, Rooms
from harness.model.capture import AgentUnderTest
from harness.model.plan import AgentSpec
from harness.processes.child import Child
from harness.processes.spec import ChildSpec
from harness.provide.cache import install
from harness.provide.tools import find_uv, run_tool

ARMS = ("reference", "stock", "inside")
STOCK = Path(__file__).parents[1] / "stock_agent"
STOCK_NAME = "stock-agent"
INSTALL_TIMEOUT_S = 300.0
READY_TIMEOUT_S = 120.0  # as many models as there are sessions load on one core
SETTLE_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.02  # the resolution of join → ready


def stock_python() -> Path:
    """The Python of an environment that holds LiveKit Agents and the engines; made once. Raises ProvisionError."""
    requirements = STOCK / "requirements.txt"
    uv = find_uv()
    if uv is None:
        raise ProvisionError("no uv found to install LiveKit Agents with; run `make setup`")

    def build(work: Path) -> None:
        run_tool([uv, "venv", "--quiet", "--clear", str(work)], timeout_s=INSTALL_TIMEOUT_S)
        argv = [uv, "pip", "install", "--quiet", "--python", str(work / "bin" / "python"), "-r", str(requirements)]
        run_tool(argv, timeout_s=INSTALL_TIMEOUT_S)

    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    return install(f"stock-agent-env-{digest}", build) / "bin" / "python"


@dataclass
class Timed:
    """An agent, with how long each session waited for it (ms)."""

    inner: Agent
    join_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.about, self.versions = self.inner.about, self.inner.versions

    @asynccontextmanager
    async def attend(self, room: str, rooms: Rooms, user_identity: str) -> AsyncIterator[Attendance]:
        looking = asyncio.create_task(self._look(room, rooms, user_identity))
        try:
            async with self.inner.attend(room, rooms, user_identity) as attendance:
                await asyncio.wait({looking}, timeout=SETTLE_TIMEOUT_S)
                yield attendance
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look(self, room: str, rooms: Rooms, user_identity: str) -> None:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        while not is_ready(await rooms.participants(room), user_identity):  # noqa: ASYNC110 - see harness.live.rooms
            await asyncio.sleep(LOOK_EVERY_S)
        self.join_ms.append(1e3 * (loop.time() - asked_s))


def is_ready(present: Participants, user_identity: str) -> bool:
    for participant in present:
        if participant.identity in (user_identity, PROBE_IDENTITY):
            continue
        state = participant.attributes.get("lk.agent.state")
        if any(track.type == 0 for track in participant.tracks) and state not in NOT_YET:
            return True
    return False


@dataclass
class Running:
    """One arm's agent for one trial."""

    agent: Timed
    pid: int
    settled: asyncio.Event  # nothing of it is being prepared any more
    versions: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def started(arm: str, sessions: int, rooms: Rooms, run_dir: Path, core: int) -> AsyncIterator[Running]:
    """`arm`'s agent, ready for `sessions` calls at once, all of its processes on `core`; none is left afterwards.

    Raises HarnessError, ProvisionError.
    """
    open_arm = _stock if arm == "stock" else _reference
    async with open_arm(arm, sessions, rooms, run_dir, core) as running:
        elsewhere = processes.strays(running.pid, {core})
        if elsewhere:
            raise HarnessError(f"processes {elsewhere} of the {arm} agent are not held to core {core}")
        yield running


@asynccontextmanager
async def _reference(arm: str, sessions: int, rooms: Rooms, run_dir: Path, core: int) -> AsyncIterator[Running]:
    captures = run_dir / "captures"
    captures.mkdir(parents=True, exist_ok=True)
    about = AgentUnderTest(kind="reference", instrumented=arm == "inside")
    agent = ReferenceAgent(rooms, captures, run_dir / "agent.log", {SESSIONS: str(sessions)}, about)
    try:
        with processes.on_cores({core}):
            await agent.start()
        assert agent.pid is not None
        below = processes.tree(agent.pid)
        settled = asyncio.Event()
        settled.set()
        try:
            yield Running(Timed(agent), agent.pid, settled, agent.versions)
        finally:
            await agent.stop()
            await asyncio.to_thread(processes.end_all, below)
    finally:
        await agent.stop()


@asynccontextmanager
async def _stock(arm: str, sessions: int, rooms: Rooms, run_dir: Path, core: int) -> AsyncIterator[Running]:
    python = await asyncio.to_thread(stock_python)
    log = run_dir / "agent.log"
    with tempfile.TemporaryDirectory(dir=run_dir) as slots:
        env = {
            "LIVEKIT_URL": rooms.url,
            "LIVEKIT_API_KEY": rooms.api_key,
            "LIVEKIT_API_SECRET": rooms.api_secret,
            "PYTHONPATH": str(STOCK.parents[1]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",  # 244 MB of a model that this session does not ask
            "COST_SESSIONS": str(sessions),
            "COST_SLOTS": slots,
        }
        with processes.on_cores({core}):
            argv = [str(python), str(STOCK / "worker.py"), "start"]
            child = await Child.start(ChildSpec("the stock worker", argv, log, env=env, foreign=True))
        watching = None
        try:
            await _prepared(child, log, sessions, registered=True)
            settled = asyncio.Event()
            watching = asyncio.create_task(_settle(child, log, 2 * sessions, settled))
            about = AgentUnderTest(kind="dispatch", spec=STOCK_NAME, instrumented=False)
            agent = DispatchedAgent(STOCK_NAME, about, AgentSpec.join_s)
            yield Running(Timed(agent), child.pid, settled, {"agent.livekit-agents": "1.8.9"})
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            below = processes.tree(child.pid)
            await child.stop()
            await asyncio.to_thread(processes.end_all, below)


async def _settle(child: Child, log: Path, count: int, settled: asyncio.Event) -> None:
    """The pool replaces each process that a job has taken; when that is done, only the calls are left."""
    await _prepared(child, log, count, registered=True)
    settled.set()


async def _prepared(child: Child, log: Path, count: int, *, registered: bool) -> None:
    """Until `count` job processes have said that they are ready. Raises HarnessError."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while True:
                said = await asyncio.to_thread(log.read_bytes)
                if said.count(b"process initialized") >= count and (b"registered worker" in said or not registered):
                    return
                if not child.is_alive:
                    raise HarnessError(f"the stock worker ended before it was ready, see {log}")
                await asyncio.sleep(LOOK_EVERY_S)  # a log file has no event
    except TimeoutError as error:
        late = f"the stock worker had not prepared {count} processes within {READY_TIMEOUT_S:.0f} s"
        raise HarnessError(f"{late}, see {log} (with --keep)") from error
