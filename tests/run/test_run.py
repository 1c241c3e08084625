"""A run that meets a fault of ours, a full disk or Ctrl-C: nothing that was recorded or judged is lost, and each is named.

Bench and ears are stood in for, everything between is the product's.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.model.capture import Manifest, write_atomic, write_manifest
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase, Plan
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import Summary
from harness.own_faults import FAULTS
from harness.run import open as opening
from harness.run import run as under_way
from harness.run import written_run
from harness.run.open import run_plan
from harness.run.plan import make_plan
from harness.settings import Settings
from tests.history import made
from tests.history.test_suite_and_history import built
from tests.judge import canned

NAMES = ("one", "two", "three")
FULL = OSError(errno.ENOSPC, "No space left on device", "x.wav")


class Bench:
    """Records nothing; `during` is called in each call, `hearing` when it is measured."""

    scene = SimpleNamespace(agent=SimpleNamespace(about=canned.manifest().agent))
    broken = None

    def __init__(self) -> None:
        self.plan: Plan
        self.during: Callable[[str], Any] = lambda trace: None
        self.hearing: Callable[[str], None] = lambda trace: None
        self.kpi_ms = 440.0
        self.heard: list[str] = []
        self._numbers: dict[str, int] = {}

    async def attempt(self, case: BuiltCase, on_phase: Callable[[str], None]) -> tuple[Path, Manifest]:
        name = case.case.id
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        manifest = made.manifest(self.plan.run_id, name, number)
        folder = self.plan.run_dir / "captures" / manifest.trace_id
        folder.mkdir(parents=True)
        try:
            waiting = self.during(f"{name}-a{number}")
            if waiting is not None:
                await waiting
        except asyncio.CancelledError:
            write_manifest(folder, manifest.model_copy(update={"status": CaptureStatus.INTERRUPTED}))
            raise
        write_manifest(folder, manifest)
        return folder, manifest

    def listen(self, folder: Path, recogniser: object) -> Measurement:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        trace = f"{manifest.case_id}-a{manifest.attempt}"
        self.heard.append(trace)
        self.hearing(trace)
        found = made.measured(manifest.run_id, manifest.case_id, self.kpi_ms, manifest.attempt)
        return found.model_copy(update={"capture_status": manifest.status})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made_up = Bench()

    @asynccontextmanager
    async def open_bench_of(plan: Plan, settings: Settings, **_: Any) -> AsyncIterator[Bench]:
        made_up.plan = plan
        yield made_up

    monkeypatch.setattr(opening, "open_bench_of", open_bench_of)
    monkeypatch.setattr(under_way, "listen_to_call", made_up.listen)
    return made_up


def plan_of(folder: Path, **options: Any) -> tuple[Plan, Settings]:
    settings = Settings(runs=folder / "runs", history="off", **options)
    return make_plan(settings, tuple(built(name) for name in NAMES)), settings


def on_disk(plan: Plan) -> Summary:
    return Summary.model_validate_json((plan.run_dir / "summary.json").read_bytes())


async def test_a_fault_of_ours_in_one_metric_is_named_and_costs_that_attempt_alone(
    tmp_path: Path, bench: Bench
) -> None:
    def fault(trace: str) -> None:
        if trace == "two-a1":
            raise ValueError("zero-size array to reduction operation")

    bench.hearing = fault
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert [case.status for case in summary.cases] == [Status.PASS, Status.NO_DATA, Status.PASS]
    hit = summary.cases[1]
    said = (
        f"a fault of Earwitness while hearing {plan.run_id}-two-a1: ValueError: zero-size array to reduction operation"
    )
    assert hit.attempts[0].capture_status is CaptureStatus.HARNESS_ERROR
    assert hit.reason == f"HARNESS_ERROR: {said} (traceback: {FAULTS})"
    assert summary.complete
    assert summary.exit_code == 3
    assert on_disk(plan) == summary
    assert "in fault" in (plan.run_dir / FAULTS).read_text()


async def test_a_fault_of_ours_in_one_gate_costs_that_attempt_alone(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = under_way.judge_attempt

    def judge_attempt(case: Any, manifest: Manifest, measurement: Any, *more: Any) -> Any:
        if case.id == "two" and measurement is not None:
            raise KeyError("reply_not_short")
        return real(case, manifest, measurement, *more)

    monkeypatch.setattr(under_way, "judge_attempt", judge_attempt)
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert [case.status for case in summary.cases] == [Status.PASS, Status.NO_DATA, Status.PASS]
    assert "while judging" in summary.cases[1].reason
    assert summary.exit_code == 3


async def test_a_fault_of_ours_over_the_run_leaves_the_cases_their_verdicts(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = under_way.judge_run

    def judge_run(facts: Any, cases: Any, definitions: Any) -> Summary:
        if definitions:
            raise IndexError("index 0 is out of bounds")
        return real(facts, cases, definitions)

    monkeypatch.setattr(under_way, "judge_run", judge_run)
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert [case.status for case in summary.cases] == [Status.PASS] * 3
    assert "a fault of Earwitness while judging the run: IndexError" in summary.errors[-1]
    assert summary.exit_code == 3


async def test_a_fault_of_ours_in_a_picture_leaves_the_verdict_and_is_no_pass(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(summary: Summary, run_dir: Path) -> Summary:
        raise ValueError("Image size of 0 pixels")

    monkeypatch.setattr("reports.render.run_report.finish_report", draw)
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert len(summary.cases) == 3
    assert summary.errors == [
        f"a fault of Earwitness while writing the report: ValueError: Image size of 0 pixels (traceback: {FAULTS})"
    ]
    assert (summary.status, summary.exit_code) == (Status.NO_DATA, 3)
    assert on_disk(plan) == summary


async def test_a_full_disk_in_a_call_ends_the_run_and_keeps_what_was_done(tmp_path: Path, bench: Bench) -> None:
    def full(trace: str) -> None:
        if trace == "three-a1":
            raise FULL

    bench.during = full
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert [case.case_id for case in summary.cases] == ["one", "two"]
    assert not summary.complete
    assert summary.exit_code == 3
    assert "1 case was not run" in summary.headline
    assert summary.errors == ["the run was broken off: x.wav: No space left on device; what was recorded is kept"]
    assert on_disk(plan) == summary


async def test_a_disk_that_is_full_for_the_report_keeps_the_cases_that_were_judged_before(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if "three-a1" in bench.heard:
            raise FULL
        write_atomic(path, data)

    monkeypatch.setattr(under_way, "write_atomic", full)
    monkeypatch.setattr(written_run, "write_atomic", full)
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    assert [case.status for case in summary.cases] == [Status.PASS] * 3
    assert summary.exit_code == 3
    assert summary.errors[-1].endswith(f"make room, then `earwitness report --again {plan.run_dir}`")
    assert [case.case_id for case in on_disk(plan).cases] == ["one", "two"]
    assert not on_disk(plan).complete


async def test_what_is_judged_is_on_the_disk_before_the_next_case_so_that_a_kill_leaves_it(
    tmp_path: Path, bench: Bench
) -> None:
    kept: list[list[str]] = []
    bench.during = lambda trace: kept.append(
        [case.case_id for case in on_disk(bench.plan).cases] if trace != "one-a1" else []
    )
    plan, settings = plan_of(tmp_path)
    await run_plan(plan, settings)
    assert kept == [[], ["one"], ["one", "two"]]


async def test_ctrl_c_while_a_call_is_measured_waits_for_it_and_judges_it_once(tmp_path: Path, bench: Bench) -> None:
    measuring, go_on = threading.Event(), threading.Event()

    def slow(trace: str) -> None:
        measuring.set()
        assert go_on.wait(10)

    bench.hearing = slow
    plan, settings = plan_of(tmp_path)
    task = asyncio.create_task(run_plan(plan, settings))
    assert await asyncio.to_thread(measuring.wait, 10)
    task.cancel()
    await asyncio.sleep(0)  # the loop is free meanwhile
    assert not task.done()
    go_on.set()
    summary = await task
    assert bench.heard == ["one-a1"]
    assert [[a.attempt for a in case.attempts] for case in summary.cases] == [[1]]
    assert summary.cases[0].status is Status.PASS
    assert summary.exit_code == 130


async def test_a_second_attempt_that_is_interrupted_is_judged_beside_the_first(tmp_path: Path, bench: Bench) -> None:
    begun = asyncio.Event()

    async def in_a_call() -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.kpi_ms = 2_000.0  # too late, so that there is a second attempt
    bench.during = lambda trace: in_a_call() if trace == "one-a2" else None
    plan, settings = plan_of(tmp_path, attempts=3)
    task = asyncio.create_task(run_plan(plan, settings))
    async with asyncio.timeout(10):
        await begun.wait()
    task.cancel()
    summary = await task
    (case,) = summary.cases
    assert [attempt.capture_status for attempt in case.attempts] == [CaptureStatus.OK, CaptureStatus.INTERRUPTED]
    assert [attempt.status for attempt in case.attempts] == [Status.FAIL, Status.NO_DATA]
    assert bench.heard == ["one-a1", "one-a2"]
    assert on_disk(plan).cases == summary.cases
