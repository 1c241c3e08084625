"""The command line of `earwitness calibrate`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.prove.calibrate import make_calibration


def test_both_lanes_and_one_two_and_three_sessions_by_default(tmp_path: Path) -> None:
    plan = make_calibration(tmp_path, turns=60, user="both", sessions="1,2,3", seed=1)
    assert plan.lanes == ("browser", "bot")
    assert plan.sessions == (1, 2, 3)
    assert plan.run_dir.is_dir()


@pytest.mark.parametrize(("user", "sessions"), [("telephone", "1"), ("bot", "0"), ("bot", "two"), ("bot", "")])
def test_what_cannot_be_played_is_refused(tmp_path: Path, user: str, sessions: str) -> None:
    with pytest.raises(UsageError, match=user if user == "telephone" else "--sessions"):
        make_calibration(tmp_path, turns=60, user=user, sessions=sessions, seed=1)
    assert not list(tmp_path.iterdir()), "no empty run is left"


def test_a_wrong_command_line_is_explained_and_exits_with_2(
    earwitness: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = earwitness("calibrate", "--sessions", "many", "--runs", str(tmp_path))
    assert done.returncode == 2
    assert "--sessions" in done.stderr
    assert "Traceback" not in done.stderr
