"""A stock LiveKit Agents worker with two lines more: three rings, blame and a waterfall that adds up; without us, untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.listen.metrics.waterfall import UNEXPLAINED
from harness.listen.read.reading import read_capture
from harness.model.limits import Limits
from harness.model.plan import AgentSpec, BuiltCase
from harness.model.status import CaptureStatus, Status
from tests.live.conftest import JOIN_S, OpenBench, asks_for_a_table, is_overloaded, parts_add_up
from tests.live.test_foreign_worker import EXAMPLE, worker_python

__all__ = ["worker_python"]  # the fixture
pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]

ROOT = EXAMPLE.parents[1]
REALTIME = ROOT / "tests" / "agents" / "realtime_worker.py"
BOOKS = ROOT / "tests" / "agents" / "tool_worker.py"
NO_TABLE = "no table is free"
INSIDE = ("max_gap", "tts_first_publish", "fast_ttft", "audio_valid")


def attached(python: Path, *options: str, script: Path = EXAMPLE / "worker_attached.py") -> str:
    """A worker by command; `options` of env(1). The package is found in the checkout, without what it requires."""
    path = f"PYTHONPATH={ROOT}:{EXAMPLE}"
    return " ".join(["env", *options, path, f"{python} {script} connect --room {{room}}"])


async def test_an_attached_worker_is_measured_inside(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path
) -> None:
    case = built("question_short")
    spec = AgentSpec("command", attached(worker_python), instrumented=True, join_s=JOIN_S)
    async with bench(agent=spec, lane="bot") as b:
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    turn = next(turn for turn in measurement.turns if turn.utterance == 0)
    steps = {step.name: step for step in turn.waterfall}
    assert [step.reason for step in turn.waterfall if step.ms is None] == []
    assert set(steps) >= {UNEXPLAINED}
    assert turn.metrics["max_gap_ms"].value is not None
    assert turn.metrics["eot_error_ms"].value is not None
    assert turn.metrics["claimed_latency_ms"].value is not None, "LiveKit's own e2e_latency"
    parts_add_up(turn)
    verdict = judge_attempt(case.case, manifest, measurement, folder.name, limits=Limits(profile="field"))
    found = {gate.gate_id: gate.status for gate in verdict.gates}
    assert Status.NOT_APPLICABLE not in {found[gate] for gate in INSIDE}, found
    assert Status.NO_DATA not in found.values(), found


async def test_a_realtime_model_is_measured_inside(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path
) -> None:
    spec = AgentSpec("command", attached(worker_python, script=REALTIME), instrumented=True, join_s=JOIN_S)
    async with bench(agent=spec, lane="bot") as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    measurement = listen(folder)
    if is_overloaded(measurement):
        return
    turn = next(turn for turn in measurement.turns if turn.utterance == 0)
    assert [step.reason for step in turn.waterfall if step.ms is None] == []
    assert turn.metrics["max_gap_ms"].value is not None


@pytest.mark.parametrize(("books", "missing", "contradicted"), [("yes", 0, 0), ("fails", 1, 1)])
async def test_what_a_worker_does_is_told_beside_what_it_says(
    bench: OpenBench,
    built: Callable[[str], BuiltCase],
    worker_python: Path,
    books: str,
    missing: int,
    contradicted: int,
) -> None:
    case = asks_for_a_table(built("question_short"))
    command = attached(worker_python, f"WORKER_BOOKS={books}", script=BOOKS)
    spec = AgentSpec("command", command, instrumented=True, join_s=JOIN_S)
    async with bench(agent=spec, lane="bot") as b:
        folder, manifest = await b.attempt(case)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    turn = next(turn for turn in listen(folder).turns if turn.utterance == 0)
    [call] = turn.tools
    assert (call.name, call.succeeded, call.error) == ("book_table", books == "yes", "" if books == "yes" else NO_TABLE)
    assert turn.metrics["tools_missing_count"].value == missing, turn.metrics["tools_missing_count"].reason
    assert turn.metrics["say_do_count"].value == contradicted, turn.metrics["say_do_count"].reason


async def test_the_same_worker_in_an_ordinary_call_is_untouched(
    bench: OpenBench, built: Callable[[str], BuiltCase], worker_python: Path
) -> None:
    spec = AgentSpec("command", attached(worker_python, "-u", "EARWITNESS_CAPTURES"), join_s=JOIN_S)
    async with bench(agent=spec, lane="bot") as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert not (folder / "pre_rtc.wav").exists()
    assert not (folder / "agent_trace.jsonl").exists()
    types = [seen.event.type.value for seen in read_capture(folder).events if seen.direction == "received"]
    assert types == [], "it sent no event"
