"""The verbs `history` and `baseline`, as a user calls them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.commands import baseline as baseline_command
from harness.commands import history as history_command
from harness.commands.main import main
from harness.history.database import open_history
from tests.history import made

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def earwitness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as its entry point is called, on a wide terminal; in this process, since there is much to call."""
    for module in (history_command, baseline_command):
        monkeypatch.setattr(module, "console", Console(highlight=False, width=220))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["earwitness", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return subprocess.CompletedProcess(arguments, code if isinstance(code, int) else 0, said.out, said.err)

    return run


def test_runs_are_taken_in_listed_and_shown(earwitness: Run, tmp_path: Path) -> None:
    place = f"--history={tmp_path / 'h.sqlite'}"
    folder = made.run_folder(tmp_path / "r", "20260101_020000-ab12", [450.0, 460.0, 470.0])
    added = earwitness("history", "add", str(folder), place)
    assert (added.returncode, added.stdout.strip()) == (0, "20260101_020000-ab12: 3 added")
    assert "3 unchanged" in earwitness("history", "add", str(folder), place).stdout
    listed = earwitness("history", "list", place).stdout
    assert "460 ms" in listed
    assert "fast, browser scheduled" in listed
    shown = earwitness("history", "show", "20260101", place)
    assert "Linux x86_64, 2 cores" in shown.stdout
    assert "max_gap" in shown.stdout
    unknown = earwitness("history", "show", "1999", place)
    assert unknown.returncode == 2
    assert "not in the history" in unknown.stderr


def test_reading_makes_no_history(earwitness: Run, tmp_path: Path) -> None:
    done = earwitness("history", "list", f"--history={tmp_path / 'none.sqlite'}")
    assert done.returncode == 2
    assert "there is no history yet" in done.stderr
    assert not (tmp_path / "none.sqlite").exists()


def test_a_capture_that_was_left_out_changes_the_exit_status(earwitness: Run, tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path / "r", "r", [450.0, 460.0], with_summary=False)
    (folder / "captures" / "r-c00-a1" / "measurement.json").unlink()
    done = earwitness("history", "add", str(folder), f"--history={tmp_path / 'h.sqlite'}")
    assert done.returncode == 3
    assert "left out" in done.stdout


def test_a_baseline_is_set_shown_compared_and_refused_with_exit_statuses(earwitness: Run, tmp_path: Path) -> None:
    place = f"--history={tmp_path / 'h.sqlite'}"
    with open_history(tmp_path / "h.sqlite") as history:
        names = made.nights(history, 10)
        made.write_run(history, "same", [450.0 + i for i in range(20)], started_at="2026-02-01T00:00:00+00:00")
        made.write_run(history, "slow", [650.0 + i for i in range(20)], started_at="2026-02-02T00:00:00+00:00")
        made.write_run(history, "net", [450.0] * 20, started_at="2026-02-03T00:00:00+00:00", link="bad_wifi")
    made_it = earwitness("baseline", "set", "main", *names, place)
    assert made_it.stdout.strip() == "baseline main v1: 10 runs, 10 cases"
    assert "chromium" in earwitness("baseline", "show", place).stdout
    same = earwitness("baseline", "diff", "main", "same", place)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "could have seen" in same.stdout
    slow = earwitness("baseline", "diff", "main", "slow", place)
    assert slow.returncode == 1
    assert "worse: user_kpi_raw_ms median +" in slow.stdout
    refused = earwitness("baseline", "diff", "main", place)  # the newest
    assert refused.returncode == 2
    assert "cannot be compared: profile is bad_wifi, was none" in refused.stdout
    wrong = earwitness("baseline", "diff", "main", "net", "--accept", "profile", place)
    assert (wrong.returncode, "only chromium" in wrong.stderr) == (2, True)
    not_yet = earwitness("baseline", "promote", "main", "--reason", "quiet", place)
    assert not_yet.returncode == 2
    assert "no calibration was named" in not_yet.stderr
    assert "set" in earwitness("baseline", "log", place).stdout
