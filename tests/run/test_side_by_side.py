"""The cases of a run side by side, without a call: order of the report, interruption, a media server that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.live.governor import Governor, Limits
from harness.model.capture import Manifest, write_manifest
from harness.model.plan import BuiltCase
from harness.model.verdict import CaseVerdict, Summary
from harness.run.plan import make_plan
from harness.run.progress import Progress
from harness.run.run import Run
from harness.run.side_by_side import expected_s, run_cases, start_order
from harness.settings import Settings
from tests.history import made
from tests.history.test_suite_and_history import built
from tests.judge import canned

LIMITS = Limits(launch_s=1e6, ready_s=1e6, busy_s=0, hear_s=1e6)
NAMES = ["a", "b", "c", "d"]


class StandIn:
    """A bench whose calls end when they are told to."""

    scene = SimpleNamespace(agent=SimpleNamespace(about=canned.manifest().agent))

    def __init__(self, run_dir: Path, governor: Governor) -> None:
        self.run_dir, self.governor = run_dir, governor
        self.broken: str | None = None
        self.under_way: dict[str, asyncio.Event] = {}
        self.at_once = 0

    async def attempt(self, case: BuiltCase, on_phase: Callable[[str], None]) -> tuple[Path, Manifest]:
        async with self.governor.session() as seat:
            if self.broken is not None:
                raise HarnessError("was not run")
            on_phase("join")
            manifest = made.manifest(self.run_dir.name, case.case.id)
            folder = self.run_dir / "captures" / manifest.trace_id
            folder.mkdir(parents=True)
            ended = self.under_way[case.case.id] = asyncio.Event()
            self.at_once = max(self.at_once, len(self.governor.sessions))
            await asyncio.sleep(0)  # the others come meanwhile: launching takes seconds
            await seat.measure()
            try:
                await ended.wait()
            finally:
                write_manifest(folder, manifest)
                del self.under_way[case.case.id]
            seat.leave()
        return folder, manifest

    def hear(self, folder: Path) -> Any:
        case = folder.name.removeprefix(f"{self.run_dir.name}-").removesuffix("-a1")
        return made.measured(self.run_dir.name, case, 440.0)


@pytest.fixture
def side_by_side(tmp_path: Path) -> Callable[[], tuple[Run, StandIn]]:
    def make() -> tuple[Run, StandIn]:
        plan = make_plan(Settings(runs=tmp_path / "runs", history="off", jobs=2), tuple(built(name) for name in NAMES))
        governor = Governor(plan.jobs, LIMITS, plan.jobs_why)
        bench = StandIn(plan.run_dir, governor)
        return Run(plan, bench=bench, staging=governor, hear=bench.hear), bench  # type: ignore[arg-type]

    return make


async def under_way(bench: StandIn, *names: str) -> None:
    async with asyncio.timeout(10):
        while set(bench.under_way) != set(names):  # noqa: ASYNC110 - the threads that judge have no event
            await asyncio.sleep(0.005)


def report(run: Run, complete: bool) -> Summary:
    return run.finish(complete=complete)


async def test_the_report_is_in_the_order_of_the_plan_whoever_ends_first(
    side_by_side: Callable[[], tuple[Run, StandIn]],
) -> None:
    run, bench = side_by_side()
    ended: list[str] = []
    begun: list[tuple[str, int]] = []

    def on_verdict(verdict: CaseVerdict) -> None:
        ended.append(verdict.case_id)

    task = asyncio.create_task(
        run_cases(run, run.plan.cases, on_case=lambda c, n: begun.append((c.case.id, n)), on_verdict=on_verdict)
    )
    for wave in (("a", "b"), ("c", "d")):
        await under_way(bench, *wave)
        bench.under_way[wave[1]].set()
        await under_way(bench, wave[0])
        bench.under_way[wave[0]].set()
    assert await task is True
    assert begun == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert ended[:2] == ["b", "a"]
    assert bench.at_once == 2
    summary = report(run, True)
    assert [case.case_id for case in summary.cases] == NAMES
    assert summary.complete
    assert summary.side_by_side is not None
    assert (summary.side_by_side.jobs, summary.side_by_side.sessions) == (2, 4)
    lines = (run.plan.run_dir / "report.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("Side by side: ")]
    assert "up to 2 sessions at once (as asked for)" in line
    assert "held back because the host was busy: never" in line


async def test_an_interruption_reports_what_was_recorded(side_by_side: Callable[[], tuple[Run, StandIn]]) -> None:
    run, bench = side_by_side()
    task = asyncio.create_task(run_cases(run, run.plan.cases))
    await under_way(bench, "a", "b")
    bench.under_way["a"].set()
    await under_way(bench, "b")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    summary = report(run, False)
    assert run.interrupted
    assert summary.exit_code == 130
    assert [case.case_id for case in summary.cases] == ["a", "b"], "c and d had not begun"


async def test_a_bench_that_breaks_ends_the_run_and_keeps_what_there_is(
    side_by_side: Callable[[], tuple[Run, StandIn]],
) -> None:
    run, bench = side_by_side()
    task = asyncio.create_task(run_cases(run, run.plan.cases))
    await under_way(bench, "a", "b")
    bench.broken = "the media server ended"
    for name in "ab":
        bench.under_way[name].set()
    assert await task is False
    assert run.errors == ["the run was broken off: the media server ended"]
    assert list(run.verdicts) == ["a", "b"]


def test_cases_of_like_length_start_together() -> None:
    cases = [built(name) for name in NAMES]
    for index, seconds in enumerate((2, 9, 2, 8)):
        truth = cases[index].truth.model_copy(update={"n_samples": 48_000 * seconds})
        cases[index] = replace(cases[index], truth=truth)
    assert [item.case.id for _, item in start_order(cases)] == ["b", "d", "a", "c"]
    patient = replace(cases[0], case=cases[0].case.model_copy(update={"min_reply_ms": 10_000}))
    assert expected_s(patient) == 12


def test_several_cases_under_way_are_one_line() -> None:
    from rich.console import Console

    progress = Progress(Console(quiet=True), 16)
    progress.note("agent")
    assert progress.line() == "starting: agent"
    progress.case("long_reply_story", 2)
    assert progress.line() == "[3/16] long_reply_story join"
    progress.case("question_short", 5)
    progress.phase("question_short", "speak")
    assert progress.line() == "[3, 6/16] long_reply_story join · question_short speak"
