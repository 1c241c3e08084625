"""`--ew-jobs`: the cases of a session are begun side by side, and each test gets its own verdict."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import EarwitnessError
from harness.live.governor import Governor
from harness.own_faults import FAULTS
from harness.plugin.ahead import Ahead
from harness.processes.loop_thread import LoopThread
from harness.run.plan import make_plan
from harness.run.run import Run
from harness.settings import Settings
from tests.history.test_suite_and_history import built
from tests.run.test_side_by_side import LIMITS, NAMES, StandIn, under_way

PATIENCE_S = 30.0


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


def made(tmp_path: Path, loop: LoopThread) -> tuple[Run, StandIn]:
    plan = make_plan(Settings(runs=tmp_path / "runs", history="off", jobs=2), ())

    async def on_the_loop() -> tuple[Run, StandIn]:
        governor = Governor(2, LIMITS)
        bench = StandIn(plan.run_dir, governor)
        return Run(plan, bench=bench, staging=governor, hear=bench.hear), bench  # type: ignore[arg-type]

    pair: tuple[Run, StandIn] = loop.wait(on_the_loop(), PATIENCE_S)
    return pair


async def end(bench: StandIn, *names: str) -> None:
    await under_way(bench, *names)
    for name in names:
        bench.under_way[name].set()


def test_each_test_gets_its_own_verdict(tmp_path: Path, loop: LoopThread) -> None:
    run, bench = made(tmp_path, loop)
    ahead = Ahead(run, [built(name) for name in NAMES], loop)
    for wave in (NAMES[:2], NAMES[2:]):
        loop.wait(end(bench, *wave), PATIENCE_S)
    assert [ahead.verdict_of(name).case_id for name in reversed(NAMES)] == NAMES[::-1]
    assert NAMES[0] not in ahead, "a second item of that name is spoken again"


def test_what_is_not_run_any_more_says_so_and_stopping_breaks_off_what_is_under_way(
    tmp_path: Path, loop: LoopThread
) -> None:
    run, bench = made(tmp_path, loop)
    ahead = Ahead(run, [built(name) for name in NAMES], loop)
    loop.wait(under_way(bench, "a", "b"), PATIENCE_S)
    loop.wait(ahead.stop(), PATIENCE_S)
    assert run.interrupted
    assert sorted(run.verdicts) == ["a", "b"]
    with pytest.raises(EarwitnessError, match="broken off before this case"):
        ahead.verdict_of("d")


def test_a_fault_of_ours_is_told_to_each_test_that_waits_and_in_the_report(
    tmp_path: Path, loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, bench = made(tmp_path, loop)

    def fault(*_: object) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(bench, "attempt", fault)
    ahead = Ahead(run, [built(name) for name in NAMES], loop)
    said = "a fault of Earwitness while running the cases: RuntimeError: dictionary changed size during iteration"
    for name in NAMES:
        with pytest.raises(EarwitnessError, match=said):
            ahead.verdict_of(name)
    assert run.errors == [f"{said} (traceback: {FAULTS})"]
    assert "in fault" in (run.plan.run_dir / FAULTS).read_text()


def test_a_full_disk_is_told_to_each_test_that_waits(
    tmp_path: Path, loop: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, bench = made(tmp_path, loop)

    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "ear.wav")

    monkeypatch.setattr(bench, "attempt", full)
    ahead = Ahead(run, [built(name) for name in NAMES], loop)
    for name in NAMES:
        with pytest.raises(EarwitnessError, match=r"broken off: ear\.wav: No space left"):
            ahead.verdict_of(name)
    assert run.errors == ["the run was broken off: ear.wav: No space left on device; what was recorded is kept"]
