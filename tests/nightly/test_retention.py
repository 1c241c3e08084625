"""What may go of a folder of runs, what stays, and that what was packed can be heard again."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import UsageError
from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model.capture import EAR, MANIFEST, MEASUREMENT, PRE_RTC, Manifest, recording, write_manifest
from harness.nightly.plan_file import Keep
from harness.nightly.retain import pack, retain
from harness.nightly.retention import SETTLED_S, Level, survey
from tests.judge import canned
from tests.model import wavs

RATE_HZ = 48_000
NOW = datetime.datetime.now(datetime.UTC)


def tone(seconds: float, peak: float = 0.3) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def make_capture(run_dir: Path, case: str, number: int, *, days_old: float) -> Path:
    trace = f"{run_dir.name}-{case}-a{number}"
    folder = run_dir / "captures" / trace
    folder.mkdir(parents=True)
    soundfile.write(folder / EAR, tone(2.0), RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / PRE_RTC, tone(2.0), RATE_HZ, subtype="PCM_16")
    (folder / "ear.webm").write_bytes(b"x" * 9000)
    (folder / "notes_of_mine.txt").write_text("not yours")
    at = (NOW - datetime.timedelta(days=days_old)).isoformat()
    told = {"run_id": run_dir.name, "trace_id": trace, "started_at": at}
    write_manifest(folder, canned.manifest(case, attempt=number).model_copy(update=told))
    (folder / MEASUREMENT).write_text(canned.measurement(case).model_dump_json())
    return folder


def make_run(root: Path, name: str, statuses: dict[str, list[str]], *, days_old: float = 1.0) -> dict[str, Path]:
    """Case → statuses of its attempts; a case's own status is the worst word of them."""
    run_dir = root / name
    cases, folders = [], {}
    for case, attempts in statuses.items():
        rows = []
        for number, status in enumerate(attempts, start=1):
            folder = make_capture(run_dir, case, number, days_old=days_old)
            folders[f"{case}{number}"] = folder
            where = folder.relative_to(run_dir).as_posix()
            rows.append({"trace_id": folder.name, "status": status, "folder": where})
        both = "FAIL" in attempts and "PASS" in attempts
        cases.append({"case_id": case, "status": "FLAKY" if both else attempts[0], "attempts": rows})
    summary = {"schema_version": 3, "run_id": name, "complete": True, "cases": cases}
    path = run_dir / "summary.json"
    path.write_text(json.dumps(summary))
    long_ago = NOW.timestamp() - SETTLED_S - 1
    os.utime(path, (long_ago, long_ago))
    return folders


@pytest.mark.parametrize("way", ["text", "link"])
def test_a_summary_that_leads_out_of_its_run_deletes_nothing_there(tmp_path: Path, way: str) -> None:
    mine = make_capture(tmp_path / "elsewhere", "good", 1, days_old=100)
    (tmp_path / "runs").mkdir()
    make_run(tmp_path / "runs", "r1", {"good": ["PASS"]}, days_old=100)
    path = tmp_path / "runs" / "r1" / "summary.json"
    told = json.loads(path.read_text())
    where = "../../elsewhere/captures"
    if way == "link":
        (tmp_path / "runs" / "r1" / "linked").symlink_to(mine.parent)
        where = "linked"
    told["cases"][0]["attempts"].append({"trace_id": mine.name, "status": "PASS", "folder": f"{where}/{mine.name}"})
    path.write_text(json.dumps(told))
    long_ago = NOW.timestamp() - SETTLED_S - 1
    os.utime(path, (long_ago, long_ago))
    done = retain(tmp_path / "runs", Keep(disk_limit_gb=None, numbers_after_days=1), history=None)
    assert [step.held.folder.name for step in done.steps] == ["r1-good-a1"]
    assert any("leads out of its folder" in line for line in done.passed_by)
    assert {EAR, PRE_RTC} <= names(mine)


def test_a_night_whose_part_leads_out_deletes_nothing_there(tmp_path: Path) -> None:
    mine = make_capture(tmp_path / "elsewhere", "good", 1, days_old=100)
    night = tmp_path / "runs" / "night-1"
    night.mkdir(parents=True)
    part = {"id": "proof", "kind": "prove", "folder": "../../elsewhere"}
    told = {"parts": [part, "no part"], "result": {"parts": [{"id": "proof", "status": "PASS"}]}}
    (night / "night.json").write_text(json.dumps(told))
    os.utime(night / "night.json", (0, 0))
    done = retain(tmp_path / "runs", Keep(disk_limit_gb=None, numbers_after_days=1), history=None)
    assert done.steps == []
    assert any("leads out of its folder" in line for line in done.passed_by)
    assert {EAR, PRE_RTC} <= names(mine)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_passed_becomes_flac_and_failures_and_flaky_cases_stay_whole(tmp_path: Path) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS", "WARN"], "bad": ["FAIL"], "flaky": ["PASS", "FAIL"]})
    done = retain(tmp_path, Keep(disk_limit_gb=None), history=None)
    assert {step.held.folder for step in done.steps} == {made["good1"], made["good2"]}
    assert done.kept_whole == 3
    assert done.freed_bytes > 0
    assert {"ear.flac", "pre_rtc.flac", "notes_of_mine.txt", "ear.webm"} <= names(made["good1"])
    assert not names(made["good1"]) & {EAR, PRE_RTC}
    for kept in ("bad1", "flaky1", "flaky2"):
        assert {EAR, PRE_RTC} <= names(made[kept])


def test_a_second_time_does_nothing_more(tmp_path: Path) -> None:
    make_run(tmp_path, "r1", {"good": ["PASS"]})
    retain(tmp_path, Keep(disk_limit_gb=None), history=None)
    again = retain(tmp_path, Keep(disk_limit_gb=None), history=None)
    assert (again.steps, again.problems) == ([], [])


def test_of_old_calls_only_the_numbers_stay_and_files_that_are_not_ours(tmp_path: Path) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS"]}, days_old=20)
    retain(tmp_path, Keep(numbers_after_days=14, disk_limit_gb=None), history=None)
    assert names(made["good1"]) == {MANIFEST, MEASUREMENT, "notes_of_mine.txt", "retained.json"}


def test_what_kept_only_its_numbers_is_not_measured_again_to_nothing(tmp_path: Path) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS"]}, days_old=20)
    retain(tmp_path, Keep(numbers_after_days=14, disk_limit_gb=None), history=None)
    with pytest.raises(UsageError, match=r"its recordings were given up on .* cannot be heard again"):
        listen(made["good1"])


def test_packed_recordings_are_read_as_the_same_sound(tmp_path: Path) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS"]})
    before = read_capture(made["good1"])
    retain(tmp_path, Keep(disk_limit_gb=None), history=None)
    after = read_capture(made["good1"])
    assert set(after.audio) == set(before.audio) == {"ear", "pre_rtc"}
    assert np.array_equal(after.audio["pre_rtc"].samples, before.audio["pre_rtc"].samples)
    assert np.abs(after.audio["ear"].samples - before.audio["ear"].samples).max() <= 2.0**-23


def test_a_recording_beyond_full_scale_stays_as_it_is(tmp_path: Path) -> None:
    wav = tmp_path / "ear.wav"
    soundfile.write(wav, tone(0.5, peak=1.2), RATE_HZ, subtype="FLOAT")
    assert "full scale" in pack(wav)
    assert recording(tmp_path, EAR) == wav


def test_the_disk_limit_takes_the_oldest_first_and_says_when_it_cannot_be_kept(tmp_path: Path) -> None:
    old = make_run(tmp_path, "old", {"good": ["PASS"]}, days_old=9)
    new = make_run(tmp_path, "new", {"good": ["PASS"], "bad": ["FAIL"]}, days_old=1)
    never = Keep(flac_after_days=None, numbers_after_days=None)
    whole = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    limit = never.model_copy(update={"disk_limit_gb": (whole - 100_000) / 1e9})
    done = retain(tmp_path, limit, history=None)
    assert [step.held.folder for step in done.steps] == [old["good1"]]
    assert done.over_bytes == 0
    done = retain(tmp_path, never.model_copy(update={"disk_limit_gb": 1e-6}), history=None)
    assert done.over_bytes > 0
    assert EAR in names(new["bad1"])
    assert not names(new["good1"]) & {EAR, "ear.flac", "ear.webm"}
    assert any("above the limit" in line for line in done.in_words())


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, "r1", {"good": ["PASS"]})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = retain(tmp_path, Keep(disk_limit_gb=None), history=None, dry_run=True)
    assert len(done.steps) == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def _link(root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    make_run(elsewhere, "r1", {"good": ["PASS"]})
    (root / "r1").symlink_to(elsewhere / "r1", target_is_directory=True)


def _other_schema(root: Path) -> None:
    (folder := make_run(root, "r1", {"good": ["PASS"]})["good1"]).joinpath(MANIFEST).write_text(
        '{"schema_version": 99}'
    )
    assert folder.is_dir()


def _unfinished(root: Path) -> None:
    make_run(root, "r1", {"good": ["PASS"]})
    path = root / "r1" / "summary.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))


def _broken_summary(root: Path) -> None:
    make_run(root, "r1", {"good": ["PASS"]})
    (root / "r1" / "summary.json").write_text("{")


def _just_finished(root: Path) -> None:
    make_run(root, "r1", {"good": ["PASS"]})
    os.utime(root / "r1" / "summary.json")


@pytest.mark.parametrize("spoil", [_link, _other_schema, _unfinished, _broken_summary, _just_finished])
def test_what_is_not_recognised_is_not_touched_and_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    spoil(root)
    before = sorted(path for path in tmp_path.rglob("*"))
    done = retain(root, Keep(numbers_after_days=0, disk_limit_gb=1e-6), history=None)
    assert done.steps == []
    assert len(done.passed_by) == 1
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_runs_of_a_baseline_stay_whole(tmp_path: Path) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS"]})
    found = survey(tmp_path, baselines={"r1"})
    assert [item.kept_because for item in found.held] == ["baseline"]
    assert found.held[0].level is Level.WHOLE
    assert Manifest.model_validate_json((made["good1"] / MANIFEST).read_bytes()).case_id == "good"


@pytest.mark.parametrize(("status", "packed"), [("PASS", True), ("FAIL", False)])
def test_calls_of_a_nights_steps_become_less_if_the_step_passed(tmp_path: Path, status: str, packed: bool) -> None:
    night = tmp_path / "night-1"
    folder = make_capture(night / "parts" / "proof" / "1" / "runs" / "r", "fast-pre-0", 1, days_old=1)
    part = {"id": "proof", "kind": "proof", "folder": "parts/proof"}
    told = {"parts": [part], "result": {"parts": [{"id": "proof", "status": status}]}}
    (night / "night.json").write_text(json.dumps(told))
    long_ago = NOW.timestamp() - SETTLED_S - 1
    os.utime(night / "night.json", (long_ago, long_ago))
    done = retain(tmp_path, Keep(disk_limit_gb=None), history=None)
    assert ("ear.flac" in names(folder)) is packed
    assert done.kept_whole == (0 if packed else 1)


def test_the_command_says_what_it_would_do(
    earwitness: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    made = make_run(tmp_path, "r1", {"good": ["PASS"], "bad": ["FAIL"]})
    told = earwitness("retain", str(tmp_path), "--dry-run", "--verbose")
    assert told.returncode == 0, told.stderr
    assert "disk: 1 captures to FLAC, 0 to their numbers, would free about" in told.stdout
    assert "1 kept whole" in told.stdout
    assert f"{made['good1']}: flac (passed)" in told.stdout
    assert EAR in names(made["good1"])
    assert earwitness("retain", str(tmp_path / "nowhere")).returncode == 2


@pytest.mark.parametrize("data", [*wavs.STREAMED.values(), *wavs.CUT.values(), *wavs.TWICE.values()])
def test_a_recording_whose_header_cannot_be_true_is_kept_as_it_is(tmp_path: Path, data: bytes) -> None:
    """FLAC would make a whole recording of a cut one, or keep only what the header says."""
    wav = tmp_path / "pre_rtc.wav"
    wav.write_bytes(data)
    assert pack(wav).startswith("kept as it is: ")
    assert wav.read_bytes() == data
    assert not wav.with_suffix(".flac").exists()
