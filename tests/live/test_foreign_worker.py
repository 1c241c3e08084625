"""A stock LiveKit Agents worker, which knows nothing of us: by dispatch in both lanes, by command, in its own environment."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.live.bench import Bench
from harness.model.limits import Limits
from harness.model.plan import AgentSpec, BuiltCase, Invitation
from harness.model.status import CaptureStatus, Status
from harness.provide.cache import install
from harness.provide.tools import find_uv, run_tool
from tests.live.conftest import JOIN_S, OpenBench, is_overloaded

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]

EXAMPLE = Path(__file__).parents[2] / "examples" / "livekit_worker"
TOLD_WORKER = Path(__file__).parents[1] / "agents" / "told_worker.py"
INSTALL_TIMEOUT_S = 300.0
REGISTER_TIMEOUT_S = 120.0


@pytest.fixture(scope="module")
def worker_python() -> Path:
    """The Python of an environment that holds what the example needs."""
    requirements = EXAMPLE / "requirements.txt"
    uv = find_uv()
    assert uv is not None, "make brings uv"

    def build(work: Path) -> None:
        run_tool([uv, "venv", "--quiet", "--clear", str(work)], timeout_s=INSTALL_TIMEOUT_S)
        argv = [uv, "pip", "install", "--quiet", "--python", str(work / "bin" / "python"), "-r", str(requirements)]
        run_tool(argv, timeout_s=INSTALL_TIMEOUT_S)

    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    return install(f"worker-env-{digest}", build) / "bin" / "python"


@asynccontextmanager
async def worker(python: Path, b: Bench, log: Path, script: Path | None = None, **env: str) -> AsyncIterator[None]:
    """The example, or a script beside which it can be imported, registered with the bench's media server."""
    rooms = b.scene.rooms
    known = {"LIVEKIT_URL": rooms.url, "LIVEKIT_API_KEY": rooms.api_key, "LIVEKIT_API_SECRET": rooms.api_secret}
    process = await asyncio.create_subprocess_exec(
        str(python), str(script or "worker.py"), "start", cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE), **known, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    registered = asyncio.Event()

    async def follow() -> None:
        assert process.stdout is not None
        with log.open("wb") as file:
            async for line in process.stdout:
                file.write(line)
                file.flush()
                if b"registered worker" in line:
                    registered.set()

    following = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(REGISTER_TIMEOUT_S):
            await registered.wait()
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await following


async def test_a_worker_gets_the_metadata_of_its_job(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path, tmp_path: Path
) -> None:
    log, agent = tmp_path / "worker.log", AgentSpec("dispatch", "told-worker", join_s=JOIN_S)
    told = Invitation(dispatch_metadata='{"customer": "acme"}')
    async with (
        bench(agent=agent, invitation=told) as b,
        worker(worker_python, b, log, TOLD_WORKER),
    ):
        _, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.OK, (manifest.detail, log.read_text()[-2000:])


@pytest.mark.parametrize("lane", ["browser", "bot"])
async def test_a_stock_worker_is_heard(
    bench: OpenBench,
    built: Callable[[str], BuiltCase],
    worker_python: Path,
    tmp_path: Path,
    lane: Literal["browser", "bot"],
) -> None:
    case = built("question_short")
    log = tmp_path / "worker.log"
    agent = AgentSpec("dispatch", "local-worker", join_s=JOIN_S)
    async with bench(agent=agent, lane=lane) as b, worker(worker_python, b, log):
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, (manifest.detail, log.read_text()[-2000:])
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    turn = next(turn for turn in measurement.turns if turn.utterance == 0)
    if lane == "browser":
        assert turn.metrics["user_kpi_raw_ms"].value is not None
    assert turn.metrics["eot_to_first_audio_ms"].value is not None
    gap = turn.metrics["max_gap_ms"]
    assert gap.not_applicable
    assert "pre_rtc.wav" in gap.reason, "it says how to provide it"
    verdict = judge_attempt(case.case, manifest, measurement, folder.name, limits=Limits(profile="field"))
    inside = {g.gate_id: g.status for g in verdict.gates}
    waited = next(g for g in verdict.gates if g.gate_id == "eot_to_first_audio")
    assert (waited.threshold, waited.limit_note) == (3500, "profile field; shipped 650")
    assert inside["tts_first_publish"] is Status.NOT_APPLICABLE
    assert inside["max_gap"] is Status.NOT_APPLICABLE
    assert Status.NO_DATA not in inside.values(), inside


async def test_a_stock_worker_is_started_by_command_with_the_keys_of_the_media_server(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path
) -> None:
    command = f"{worker_python} {EXAMPLE / 'worker.py'} connect --room {{room}}"
    async with bench(agent=AgentSpec("command", command, join_s=JOIN_S)) as b:
        _, manifest = await b.attempt(built("endpoint_short_hello"))
    assert manifest.status is CaptureStatus.OK, manifest.detail


async def test_a_worker_that_declares_itself_unavailable_is_named(
    bench: OpenBench,
    built: Callable[[str], BuiltCase],
    worker_python: Path,
    tmp_path: Path,
) -> None:
    async with (
        bench(agent=AgentSpec("dispatch", "local-worker", join_s=5.0)) as b,
        worker(worker_python, b, tmp_path / "worker.log", WORKER_LOAD_THRESHOLD="-1"),
    ):
        _, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.AGENT_UNAVAILABLE, manifest.detail
