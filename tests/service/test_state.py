"""Who serves is known from a lock; secrets in the state file are for its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.errors import HarnessError, UsageError
from harness.service.state import (
    STATE_FILE,
    Running,
    alone,
    find_running,
    is_locked,
    log_path,
    state_folder,
    write_running,
)

RUNNING = Running(pid=1, page="http://127.0.0.1:1", admin="http://127.0.0.1:2", token="t" * 32, started_unix_s=0.0)


def test_what_runs_is_found_until_it_ends(tmp_path: Path) -> None:
    with alone(tmp_path):
        assert find_running(tmp_path) is None  # it is still starting
        write_running(tmp_path, RUNNING)
        assert find_running(tmp_path) == RUNNING
    assert find_running(tmp_path) is None


def test_a_state_file_without_a_living_process_is_nothing_running(tmp_path: Path) -> None:
    write_running(tmp_path, RUNNING)
    assert find_running(tmp_path) is None


def test_a_second_one_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with alone(tmp_path):
        write_running(tmp_path, RUNNING)
        with pytest.raises(HarnessError, match=r"http://127.0.0.1:1.*serve stop"), alone(tmp_path):
            pass
        assert is_locked(tmp_path)


def test_the_state_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_running(tmp_path, RUNNING)
    assert stat.S_IMODE((tmp_path / STATE_FILE).stat().st_mode) == 0o600


def test_a_log_that_has_grown_too_long_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.service.state.LOG_LIMIT_BYTES", 10)
    path = log_path(tmp_path, "agent")
    path.write_text("a long story of an agent")
    assert log_path(tmp_path, "agent") == path
    assert not path.exists()
    assert (tmp_path / "agent.log.1").read_text() == "a long story of an agent"


def test_a_state_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--state"):
        state_folder(tmp_path / "file" / "folder")
