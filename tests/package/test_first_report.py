"""The first report of somebody who has the wheel, an empty folder and nothing else of ours; and a stranger's own case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.package.installed import Installed
from tests.package.stranger import make_repository

CALL_TIMEOUT_S = 400.0  # a run on a busy host, with all that it starts


def was_overloaded(attempt: dict[str, Any]) -> bool:
    """A shipped case waits 6 s for its reply; on a host where that is too short, nobody is blamed."""
    invalid = (attempt["capture_status"], attempt["status"]) == ("REPLY_TIMEOUT", "INVALID")
    return invalid and "the host was overloaded" in attempt["detail"]


@pytest.mark.live
def test_in_an_empty_folder_it_sets_up_and_writes_a_first_report(installed: Installed, tmp_path: Path) -> None:
    for verb in ("setup", "doctor"):
        done = installed.run("earwitness", verb, cwd=tmp_path, timeout_s=CALL_TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
    done = installed.run("earwitness", "run", "question_short", "--user", "bot", cwd=tmp_path, timeout_s=CALL_TIMEOUT_S)
    assert "no cases/ here: the cases that ship with Earwitness are spoken" in done.stdout, done.stdout + done.stderr
    (run_dir,) = (tmp_path / "runs").glob("2*")
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    summary = json.loads((run_dir / "summary.json").read_text())
    (attempt,) = summary["cases"][0]["attempts"]
    assert attempt["capture_status"] == "OK" or was_overloaded(attempt), attempt
    assert (run_dir / "report.html").is_file()
    versions = json.loads((run_dir / attempt["folder"] / "manifest.json").read_text())["versions"]
    assert not [name for name in versions if name.endswith("commit")], "neither ours nor anybody's"


@pytest.mark.live
def test_a_strangers_case_is_spoken_by_pytest_to_an_agent_of_a_package_though_its_own_have_our_names(
    installed: Installed, tmp_path: Path
) -> None:
    folder = make_repository(tmp_path)
    options = ("-k", "mine", "--ew-lane=bot", "--ew-agent=chord", "-p", "no:cacheprovider")
    done = installed.run("pytest", "cases/", *options, cwd=folder, timeout_s=CALL_TIMEOUT_S)
    assert (folder / "runs").is_dir(), done.stdout + done.stderr
    (run_dir,) = (folder / "runs").glob("2*")
    summary = json.loads((run_dir / "summary.json").read_text())
    assert [case["case_id"] for case in summary["cases"]] == ["mine"]
    assert summary["complete"], summary["errors"]
    (attempt,) = summary["cases"][0]["attempts"]
    assert attempt["capture_status"] == "OK", attempt
    versions = json.loads((run_dir / attempt["folder"] / "manifest.json").read_text())["versions"]
    assert versions["agent.my-voice"] == "1.2.3", "the agent came from the example package"
    assert summary["headline"] in done.stdout, done.stdout + done.stderr
    assert (done.returncode == 0) == (summary["exit_code"] == 0), done.stdout
