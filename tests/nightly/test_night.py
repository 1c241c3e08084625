"""Nights without a call: what a user finds in the folder after a night, a kill, a full disk, a flaky agent."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.history.database import open_history
from harness.history.reading import read_run
from harness.model.night import PlannedPart
from harness.model.status import CaptureStatus, Status
from harness.nightly.folder import read_night, write_night
from harness.nightly.ledger import LEDGER
from harness.nightly.part_run import PartRun
from harness.nightly.steps import StepResult
from harness.settings import Settings
from tests.nightly.made import Killed, World

PARTS_TURNS_CASES = 2 * 2 * 2


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch, "one", "two")


def test_a_night_plays_every_attempt_once_and_says_pass(world: World) -> None:
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0
    assert night.result.complete
    assert [(r.id, r.played, r.planned) for r in night.result.parts] == [("one", 4, 4), ("two", 4, 4)]
    assert len(world.played) == PARTS_TURNS_CASES
    assert [line.what for line in world.lines()].count("attempt") == PARTS_TURNS_CASES
    text = (world.folder / "night.md").read_text()
    assert text.startswith("# PASS: 8 of 8 attempts passed")
    assert "| attempts played | 8 of 8 |" in text
    assert "[report](parts/one/run-one/report.md)" in text
    assert "[comparison.html](comparison.html)" in text
    assert "run-one" in (world.folder / "comparison.html").read_text()


def test_a_night_that_is_done_plays_nothing_when_it_is_resumed(world: World) -> None:
    world.go()
    heard = len(world.heard)
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert len(world.played) == PARTS_TURNS_CASES
    assert len(world.heard) == heard
    assert (night.result.exit_code, night.result.sessions) == (0, 2)


def test_a_case_that_fails_once_and_passes_once_is_flaky_and_both_attempts_are_kept(world: World) -> None:
    bad = "run-one-a-a2"
    world.status = lambda trace: CaptureStatus.REPLY_TIMEOUT if trace == bad else CaptureStatus.OK
    night = world.go()
    assert night is not None
    result = night.result
    assert result is not None
    assert (result.status, result.exit_code) == (Status.FLAKY, 1)
    (flake,) = result.parts[0].flaky
    assert (flake.case, flake.passed, flake.attempts, flake.failed) == ("a", 1, 2, [bad])
    assert {path.name for path in (world.folder / "parts/one/run-one/captures").glob("*-a-*")} == {
        "run-one-a-a1",
        bad,
    }
    assert Counter(world.played)[bad] == 1
    assert [(f.kind, f.count) for f in result.parts[0].failures] == [("REPLY_TIMEOUT", 1)]
    assert "## Flaky: failed and passed" in (world.folder / "night.md").read_text()


@pytest.mark.parametrize("moment", ["before", "after_folder"])
@pytest.mark.parametrize("trace", ["run-one-a-a1", "run-one-b-a2", "run-two-a-a1", "run-two-b-a2"])
def test_after_a_kill_in_an_attempt_the_night_goes_on_with_that_attempt(world: World, trace: str, moment: str) -> None:
    def kill(current: str) -> None:
        if current == trace:
            raise Killed

    setattr(world, moment, kill)
    assert world.go() is None
    setattr(world, moment, lambda current: None)
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0
    assert Counter(world.played) == dict.fromkeys(world.played, 1)
    assert len(world.played) == PARTS_TURNS_CASES
    left = list((world.folder / "parts").glob("*/broken_off/*"))
    assert [path.name for path in left] == ([f"{trace}-1"] if moment == "after_folder" else [])


def test_a_kill_leaves_the_report_of_the_parts_that_were_done(world: World) -> None:
    def kill(current: str) -> None:
        if current == "run-two-b-a1":
            raise Killed

    world.before = kill
    assert world.go() is None
    text = (world.folder / "night.md").read_text()
    assert text.startswith(
        "# PARTIAL, UNDER_WAY: the night is at work, or was killed; NO_DATA: 4 of 4 attempts passed (8 planned)"
    )
    assert "earwitness nightly --resume night-x" in text


def test_a_call_that_was_recorded_and_not_yet_measured_is_heard_and_not_played_again(world: World) -> None:
    def killed_while_listening(capture: Path, recogniser: object) -> None:
        raise Killed

    run = world.night_run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.run.run.listen_to_call", killed_while_listening)
        with pytest.raises(Killed):
            asyncio.run(run.run())
    assert world.played == ["run-one-a-a1"]
    night = world.go()
    assert night is not None
    assert Counter(world.played)["run-one-a-a1"] == 1
    assert world.heard.count("run-one-a-a1") == 1
    assert [line.trace_id for line in world.lines()].count("run-one-a-a1") == 1


def test_ctrl_c_reports_what_there_is_and_the_night_can_go_on(world: World) -> None:
    def interrupt(trace: str) -> None:
        if trace == "run-one-b-a1":
            raise asyncio.CancelledError

    world.before = interrupt
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 130
    assert night.result.stopped.startswith("INTERRUPTED")
    assert night.result.parts[0].played == 1
    assert "earwitness nightly --resume night-x" in (world.folder / "night.md").read_text()
    world.before = lambda trace: None
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0
    assert len(world.played) == PARTS_TURNS_CASES


def test_an_attempt_that_we_interrupted_ourselves_is_played_again_and_kept_aside(world: World) -> None:
    world.status = lambda trace: (
        CaptureStatus.INTERRUPTED if trace == "run-one-b-a1" and trace not in world.played else CaptureStatus.OK
    )
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert not night.result.complete
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0
    aside = world.folder / "parts/one/broken_off/run-one-b-a1-1"
    assert (aside / "manifest.json.not_finished").is_file()


def test_a_full_disk_ends_the_night_by_name_and_nothing_recorded_is_lost(world: World) -> None:
    def full(trace: str) -> None:
        if trace == "run-two-a-a1":
            raise OSError(errno.ENOSPC, "No space left on device", trace)

    world.before = full
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.stopped.startswith("DISK_FULL: No space left on device")
    assert night.result.exit_code == 3
    assert night.result.parts[0].played == 4
    world.before = lambda trace: None
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0
    assert Counter(world.played) == dict.fromkeys(world.played, 1)


def test_a_disk_that_is_full_before_a_call_ends_the_night_before_it(world: World) -> None:
    world.plan = world.plan.model_copy(update={"keep": world.keep.model_copy(update={"reserve_mb": 1e12})})
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.stopped.startswith("DISK_FULL: ")
    assert "keep.reserve_mb" in night.result.stopped
    assert world.played == []
    assert night.result.exit_code == 3


def test_a_disk_on_which_not_even_the_report_can_be_written_is_an_error_that_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "night.json")

    world.before = full
    monkeypatch.setattr("harness.nightly.conclusion.write_night", full)
    with pytest.raises(HarnessError, match="DISK_FULL: No space left on device"):
        asyncio.run(world.night_run().run())


def test_two_processes_cannot_work_on_one_night(world: World) -> None:
    from harness.errors import UsageError
    from harness.nightly.folder import is_locked, locked

    with locked(world.folder):
        assert is_locked(world.folder)
        with pytest.raises(UsageError, match="another process is at work on this night"):
            with locked(world.folder):
                pass
    assert not is_locked(world.folder)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), torn=st.binary(max_size=30), half_played=st.booleans())
def test_after_a_kill_at_any_byte_of_the_ledger_each_attempt_is_there_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, cut: float, torn: bytes, half_played: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("night"), patch, "one")
        world.go()
        ledger = world.folder / LEDGER
        data = ledger.read_bytes()
        ledger.write_bytes(data[: round(cut * len(data))] + torn.replace(b"\n", b"~"))
        kept = [line for line in world.lines() if line.what == "attempt"]
        first_unwritten = ["run-one-a-a1", "run-one-b-a1", "run-one-a-a2", "run-one-b-a2"][len(kept) :]
        captures = world.folder / "parts/one/run-one/captures"
        for name in first_unwritten[1:]:  # the ledger is behind by one attempt at most
            for path in (captures / name).iterdir():
                path.unlink()
            (captures / name).rmdir()
        if first_unwritten and half_played:
            (captures / first_unwritten[0] / "manifest.json").unlink()
        before = Counter(world.played)
        night = world.go()
        assert night is not None
        assert night.result is not None
        assert night.result.exit_code == 0
        units = [line.unit for line in world.lines() if line.what == "attempt"]
        assert len(units) == len(set(units)) == 4
        again = Counter(world.played) - before
        missing = first_unwritten[1:] + (first_unwritten[:1] if half_played else [])
        assert again == dict.fromkeys(missing, 1)


def test_a_locked_history_costs_no_call_and_is_caught_up_with_when_the_night_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = world.folder.parent / "history.sqlite"
    world.settings = Settings(runs=world.folder.parent)
    with open_history(place):
        pass  # it is there, in order
    monkeypatch.setattr("harness.history.run_history.open_history", partial(open_history, busy_timeout_s=0.01))
    holder = sqlite3.connect(place, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        night = world.go()
    finally:
        holder.close()
    assert night is not None
    assert night.result is not None
    assert (night.result.complete, night.result.exit_code) == (True, 0)
    for result in night.result.parts:
        assert "another program holds it" in result.not_in_history
        assert (
            f"earwitness history add {world.folder / 'parts' / result.id / f'run-{result.id}'}" in result.not_in_history
        )
    assert "not in the history" in (world.folder / "night.md").read_text()
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert [result.not_in_history for result in night.result.parts] == ["", ""]
    with open_history(place) as history, history.reading() as session:
        assert read_run(session, "run-one").n_attempts == 4
    assert len(world.played) == PARTS_TURNS_CASES


def test_a_fault_of_ours_is_named_and_the_night_still_has_its_report(world: World) -> None:
    def bug(trace: str) -> None:
        if trace == "run-two-a-a1":
            raise ZeroDivisionError("of ours")

    world.before = bug
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.stopped == "HARNESS_ERROR: ZeroDivisionError: of ours"
    assert (night.result.exit_code, night.result.parts[0].played) == (3, 4)
    world.before = lambda trace: None
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.exit_code == 0


def test_steps_are_done_once_and_anew_only_if_they_were_broken_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = PlannedPart(id="proof", kind="proof", about="proof", lane="bot", mic="bot", folder="parts/proof")
    night = read_night(world.folder)
    write_night(world.folder, night.model_copy(update={"parts": [step, *night.parts]}))
    places: list[str] = []

    async def do(part: PlannedPart, folder: Path, on_note: object) -> StepResult:
        places.append(folder.name)
        if len(places) == 1:
            raise Killed
        return StepResult(1, "NOT PROVEN: x", folder / "proof.md")

    monkeypatch.setattr("harness.nightly.night.do_step", do)
    assert world.go() is None
    for _ in range(2):
        done = world.go()
        assert done is not None
        assert done.result is not None
        assert (done.result.status, done.result.exit_code) == (Status.FAIL, 1)
        assert (done.result.parts[0].headline, done.result.parts[0].report) == (
            "NOT PROVEN: x",
            "parts/proof/2/proof.md",
        )
    assert places == ["1", "2"]


def test_an_attempt_that_never_ends_ends_the_night_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.nightly.night.ATTEMPT_LIMIT_S", 0.05)

    async def hang(self: PartRun, *_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(PartRun, "play", hang)
        night = world.go()
    assert night is not None
    assert night.result is not None
    assert night.result.stopped.startswith("HARNESS_ERROR: one a 1 did not end within")
    assert night.result.exit_code == 3


def test_a_part_whose_report_finds_no_space_still_counts_what_was_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    world.before = lambda trace: full() if trace == "run-one-a-a2" else None
    monkeypatch.setattr("harness.run.run.write_run", full)
    night = world.go()
    assert night is not None
    assert night.result is not None
    assert "NO_DATA: 2 of 2 attempts passed (8 planned)" in night.result.headline
    assert night.result.parts[0].headline.startswith("its report could not be written: No space left on device; 2 ")
