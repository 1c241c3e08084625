"""A stock LiveKit Agents worker with OpenTelemetry switched on: its spans give its waterfall, and its claim."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from harness.listen.measure import listen
from harness.listen.metrics.told import LAST_STEP
from harness.listen.read.reading import read_capture
from harness.model.measurement import Turn
from harness.model.plan import AgentSpec, BuiltCase
from harness.model.status import CaptureStatus
from tests.live.conftest import JOIN_S, OpenBench, is_overloaded, parts_add_up
from tests.live.test_foreign_worker import EXAMPLE, worker, worker_python

__all__ = ["worker_python"]  # the fixture
pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]

TRACED = EXAMPLE / "worker_traced.py"
FIGURES = ("claimed_latency_ms", "claim_difference_ms", "eot_to_first_audio_ms")


def told_turn(folder: Path) -> Turn | None:
    """None where the host was too busy for figures."""
    capture = read_capture(folder)
    assert {"user_turn", "agent_turn", "llm_node", "tts_node", "agent_speaking"} <= {
        span.name for span in capture.spans
    }
    measurement = listen(folder)
    if is_overloaded(measurement):
        return None
    placed = re.compile(
        r"[1-9]\d* placed in turns; the agent's clock is this host's"
    )  # more where the user was torn apart
    assert any(placed.search(said) for said in measurement.happenings), measurement.happenings
    return next(turn for turn in measurement.turns if turn.utterance == 0)


def claims_and_steps(turn: Turn | None) -> None:
    if turn is None:
        return
    claimed, difference, kpi = (value(turn, name) for name in FIGURES)
    assert claimed > 0
    assert kpi - claimed == pytest.approx(difference, abs=0.1)
    parts_add_up(turn)
    steps = {step.name: step.ms for step in turn.waterfall}
    assert steps[LAST_STEP] is not None
    assert steps["hangover → VAD decided"] is not None
    assert sum(step or 0.0 for step in steps.values()) == pytest.approx(kpi, abs=0.1)


def value(turn: Turn, name: str) -> float:
    found = turn.metrics[name]
    assert found.value is not None, (name, found.reason)
    return found.value


async def test_a_traced_worker_by_command_needs_no_option(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path
) -> None:
    command = f"env PYTHONPATH={EXAMPLE} {worker_python} {TRACED} connect --room {{room}}"
    async with bench(agent=AgentSpec("command", command, join_s=JOIN_S), otlp_in="auto") as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    claims_and_steps(told_turn(folder))


async def test_a_dispatched_worker_is_told_the_address(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path, tmp_path: Path
) -> None:
    port = free_port()
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    async with (
        bench(agent=AgentSpec("dispatch", "traced-worker", join_s=JOIN_S), otlp_in=port) as b,
        worker(worker_python, b, tmp_path / "worker.log", TRACED, **there),
    ):
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, (manifest.detail, (tmp_path / "worker.log").read_text()[-2000:])
    claims_and_steps(told_turn(folder))


async def test_a_flood_of_what_is_no_span_is_counted_and_costs_the_call_nothing(
    bench: OpenBench, built: Callable[[str], BuiltCase]
) -> None:
    async with bench(otlp_in=free_port()) as b:
        assert b.scene.telemetry is not None
        flooding = asyncio.create_task(flood(f"{b.scene.telemetry.url}/v1/traces"))
        folder, manifest = await b.attempt(built("question_short"))
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    (said,) = [happening.detail for happening in manifest.happenings if happening.kind == "telemetry"]
    assert "(no OTLP)" in said
    assert "(no gzip)" in said
    assert "(larger than 4 MiB)" in said
    assert read_capture(folder).spans == ()


async def flood(url: str) -> None:
    """Ten bodies a second that are no batch, without an end."""
    bodies = ((b"\xff" * 1_000, ""), (b"no gzip", "gzip"), (bytes(10_000_000), ""))
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        while True:
            for body, encoding in bodies:
                headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": encoding}
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.post(url, data=io.BytesIO(body), headers=headers) as answer:
                        assert answer.status in (400, 413)
                await asyncio.sleep(0.1)  # the pace of the flood


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
