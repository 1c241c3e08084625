"""`earwitness report` as a user meets it: what it writes, its exit statuses, one clear line for what is no run."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.commands.main import main
from harness.model.capture import MEASUREMENT, read_manifest, write_manifest
from harness.model.limits import LIMITS, Limits
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import SUMMARY_SCHEMA_VERSION
from harness.run.rejudge import read_summary, rejudge
from harness.run.written_run import SUMMARY, write_run
from tests.listen.captures import hole, simple_call
from tests.reports.render.test_html import read

WHERE = {"at_ear": lambda x: hole(x, 700, 260), "at_probe": lambda x: hole(x, 700, 260)}


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def ew(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["earwitness", "report", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as caught:
            main()
        return Done(caught.value.code, *capsys.readouterr())  # type: ignore[arg-type]

    return run


def captured(run_dir: Path, run_id: str = "one", name: str = "made", **changes: Any) -> Path:
    """A run's folder with one capture, as a killed run leaves it: without a summary."""
    trace_id = f"{run_id}-{name}-a1"
    folder = simple_call(case={"id": name}, **changes).write(run_dir / "captures" / trace_id)
    told = {"run_id": run_id, "trace_id": trace_id, "case_id": name}
    write_manifest(folder, read_manifest(folder).model_copy(update=told))
    return folder


Finished = Callable[..., Path]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Puts a run's folder, as a run leaves it, where it is wished; each kind is made once."""
    made: dict[str, Path] = {}
    kinds: dict[str, dict[str, Any]] = {"good": {}, "holed": WHERE, "without pre": {"pre": False}}

    def put(run_dir: Path, kind: str = "good") -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("made") / "one"
            captured(made[kind], **kinds[kind])
            told = {"complete": True, "exit_code": 0, "suite": "fast", "started_at": "2026-01-01T00:00:00Z"}
            (made[kind] / SUMMARY).write_text(json.dumps(told))
            write_run(rejudge(made[kind], strict=False), made[kind])
        shutil.copytree(made[kind], run_dir)
        return run_dir

    return put


def test_the_reports_are_written_again_and_the_verdict_stays_as_it_is(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    run_dir = finished(tmp_path / "one")
    before = (run_dir / SUMMARY).read_bytes()
    for name in ("report.md", "report.html"):
        (run_dir / name).unlink()
    done = ew(run_dir)
    assert done.code == 0, done.err
    assert (run_dir / SUMMARY).read_bytes() == before
    assert "1 of 1 cases passed" in (run_dir / "report.md").read_text()
    assert read(run_dir / "report.html").all("audio")
    assert str(run_dir / "report.html") in done.out


def test_the_exit_status_is_the_runs_own(ew: Callable[..., Done], tmp_path: Path, finished: Finished) -> None:
    assert ew(finished(tmp_path / "good")).code == 0
    assert ew(finished(tmp_path / "bad", "holed")).code == 1
    assert ew(finished(tmp_path / "unknown", "without pre")).code == 3


def test_again_hears_the_captures_anew_and_judges_what_they_say_now(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    run_dir = finished(tmp_path / "one")
    folder = run_dir / "captures" / "one-made-a1"
    good = (folder / MEASUREMENT).read_bytes()
    spoilt = json.loads((run_dir / SUMMARY).read_text()) | {"headline": "told otherwise"}
    (run_dir / SUMMARY).write_text(json.dumps(spoilt))
    (folder / MEASUREMENT).unlink()
    assert "told otherwise" in ew(run_dir).out
    done = ew(run_dir, "--again")
    assert done.code == 0, done.err
    assert (folder / MEASUREMENT).read_bytes() == good
    summary = read_summary(run_dir)
    assert "1 of 1 cases passed" in summary.headline
    assert summary.suite == "fast"
    assert summary.started_at == "2026-01-01T00:00:00Z"


def test_an_old_run_is_sent_as_traces_and_the_exit_status_stays_its_own(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    run_dir = finished(tmp_path / "bad", "holed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = ew(run_dir, "--otlp", address)
    assert done.code == 1
    assert f"traces: 0 of 1 call sent to {address}; cannot be reached: Connection refused" in done.out
    assert ew(run_dir, "--otlp", "localhost:4318").code == 2
    assert ew(run_dir, "--annotations", "--otlp", address).code == 2


def test_a_run_of_another_schema_is_named_and_again_reads_it(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    run_dir = finished(tmp_path / "one")
    told = json.loads((run_dir / SUMMARY).read_text()) | {"schema_version": 1, "something": "old"}
    (run_dir / SUMMARY).write_text(json.dumps(told))
    done = ew(run_dir)
    assert done.code == 2
    assert f"{run_dir / SUMMARY}: summary schema 1, this version reads" in done.err
    assert "--again" in done.err
    assert ew(run_dir, "--again").code == 0


def test_a_killed_run_is_reported_as_partial(ew: Callable[..., Done], tmp_path: Path) -> None:
    run_dir = tmp_path / "one"
    captured(run_dir)
    done = ew(run_dir)
    assert done.code == 2
    assert "did not end in order" in done.err
    done = ew(run_dir, "--again")
    assert done.code == 3
    assert "PARTIAL" in (run_dir / "report.md").read_text().splitlines()[0]
    assert read_summary(run_dir).status is Status.NO_DATA


def test_attempts_of_one_case_are_judged_together(tmp_path: Path) -> None:
    run_dir = tmp_path / "one"
    for attempt, changes in ((1, WHERE), (2, {})):
        folder = captured(run_dir, name="made", **changes)
        told = {"attempt": attempt, "trace_id": f"one-made-a{attempt}"}
        write_manifest(folder, read_manifest(folder).model_copy(update=told))
        folder.rename(folder.with_name(f"kept-{attempt}"))
    (case,) = rejudge(run_dir, strict=False).cases
    assert case.status is Status.FLAKY
    assert [attempt.attempt for attempt in case.attempts] == [1, 2]


def test_an_attempt_that_ended_early_keeps_its_status(tmp_path: Path) -> None:
    run_dir = tmp_path / "one"
    folder = captured(run_dir)
    manifest = read_manifest(folder)
    write_manifest(folder, manifest.model_copy(update={"status": CaptureStatus.AGENT_CRASH, "detail": "it ended"}))
    (case,) = rejudge(run_dir, strict=False).cases
    assert case.attempts[0].capture_status is CaptureStatus.AGENT_CRASH
    assert case.status is Status.FAIL


def test_a_case_that_is_not_known_any_more_is_an_error_of_the_run(tmp_path: Path, finished: Finished) -> None:
    run_dir = finished(tmp_path / "one")
    (run_dir / "captures" / "one-made-a1" / "case.json").unlink()
    summary = rejudge(run_dir, strict=False)
    assert summary.cases == []
    assert summary.exit_code == 3
    assert "one-made-a1: not judged: case.json cannot be read" in summary.errors[0]


def spoil(run_dir: Path, content: str) -> Path:
    run_dir.mkdir()
    (run_dir / SUMMARY).write_text(content)
    return run_dir


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "nothing", "no such folder; give a run"),
        (lambda folder: Path(__file__), "is a file, not a run's folder"),
        (lambda folder: folder, "not a run (it holds no summary.json and no captures/)"),
        (lambda folder: spoil(folder / "torn", f'{{"schema_version": {SUMMARY_SCHEMA_VERSION}, "run_id'), "not JSON"),
        (lambda folder: spoil(folder / "list", "[]"), "not a run's summary"),
        (
            lambda folder: spoil(folder / "short", f'{{"schema_version": {SUMMARY_SCHEMA_VERSION}}}'),
            "run_id: Field required",
        ),
    ],
)
def test_what_is_no_run_is_one_clear_line(
    ew: Callable[..., Done], tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    done = ew(make(tmp_path))
    assert done.code == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_again_without_captures_is_one_clear_line(ew: Callable[..., Done], tmp_path: Path) -> None:
    done = ew(tmp_path, "--again")
    assert done.code == 2
    assert "nothing to hear" in done.err


@pytest.mark.parametrize(
    ("options", "said"), [(["--strict"], "--strict needs --again"), (["--out", "x.html"], "give two runs or more")]
)
def test_an_option_that_would_do_nothing_is_refused(
    ew: Callable[..., Done], tmp_path: Path, options: list[str], said: str, finished: Finished
) -> None:
    done = ew(finished(tmp_path / "one"), *options)
    assert done.code == 2
    assert said in done.err


def test_two_runs_stand_side_by_side_and_the_worst_exit_status_counts(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    good, bad = finished(tmp_path / "good"), finished(tmp_path / "bad", "holed")
    done = ew(good, bad)
    assert done.code == 1
    page = read(tmp_path / "comparison.html")
    rows = {
        "".join(row[0].itertext()): ["".join(cell.itertext()).strip() for cell in row[1:]] for row in page.all("tr")
    }
    assert rows["verdict (differs)"] == ["WARN", "FAIL"]
    assert rows["cases passed (differs)"] == ["1 of 1", "0 of 1"]
    assert rows["USER_KPI P95"][0].startswith("max of 1: 45")
    assert rows["made"][0].startswith("WARN 45")
    assert rows["made"][1].startswith("FAIL 45")
    assert "may be chance" in page.words
    assert "may be chance" in done.out


def test_the_comparison_goes_where_it_is_wished(ew: Callable[..., Done], tmp_path: Path, finished: Finished) -> None:
    one, two = finished(tmp_path / "one"), finished(tmp_path / "two")
    wished = tmp_path / "side.html"
    assert ew(one, two, "--out", wished).code == 0
    assert wished.is_file()
    assert not (tmp_path / "comparison.html").exists()
    done = ew(one, two, "--out", tmp_path / "nowhere" / "side.html")
    assert done.code == 2
    assert "--out FILE writes elsewhere" in done.err


def test_again_judges_by_the_limits_the_run_was_made_with(
    ew: Callable[..., Done], tmp_path: Path, finished: Finished
) -> None:
    run_dir = finished(tmp_path / "bad", "holed")
    assert ew(run_dir, "--again").code == 1
    own = {"max_gap": 600, "audible_dropout": 5, "ear_dropout": 5, "audio_valid": 0}
    (run_dir / LIMITS).write_text(Limits(own=own).model_dump_json())
    gates = {gate.gate_id: gate for gate in rejudge(run_dir, strict=False).gates}
    assert (gates["max_gap"].threshold, gates["max_gap"].status) == (600, Status.PASS)
    (run_dir / LIMITS).write_text("{}}")
    done = ew(run_dir, "--again")
    assert (done.code, "limits.json: the limits of this run cannot be read" in done.err) == (2, True)


@pytest.mark.parametrize("where", ["../one/captures/one-made-a1", "/etc"])
def test_a_summary_whose_recordings_lie_elsewhere_is_no_run_of_ours(
    ew: Callable[..., Done], finished: Finished, tmp_path: Path, where: str
) -> None:
    run_dir = finished(tmp_path / "one")
    told = json.loads((run_dir / SUMMARY).read_text())
    told["cases"][0]["attempts"][0]["folder"] = where
    (run_dir / SUMMARY).write_text(json.dumps(told))
    done = ew(run_dir)
    assert done.code == 2
    assert "leads out of its folder" in done.err
