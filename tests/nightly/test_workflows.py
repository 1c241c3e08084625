"""The workflows that ship: valid YAML, safe for forks, artefacts kept on failure too, and commands that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from harness.commands.main import app
from harness.nightly.plan_file import read_plan

CI = Path(__file__).parents[2] / "examples" / "ci"
GITHUB, GITLAB, CRON, SCRIPT = (CI / name for name in ("github-actions.yml", "gitlab-ci.yml", "cron", "nightly.sh"))


def options_of_nightly() -> set[str]:
    command: Any = typer.main.get_command(app).commands["nightly"]  # type: ignore[attr-defined]
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("path", [GITHUB, GITLAB, SCRIPT])
def test_every_option_that_a_workflow_uses_is_one_of_the_commands(path: Path) -> None:
    used = [
        line for line in path.read_text().splitlines() if re.search(r"earwitness\"? nightly ", line) and "#" not in line
    ]
    assert used
    options = {option for line in used for option in re.findall(r"(?<=\s)--[a-z-]+", line)}
    assert options
    assert options <= options_of_nightly()


def test_the_plans_that_the_workflows_name_are_there_and_valid() -> None:
    named = set(re.findall(r"[\w/.-]+\.yaml", GITHUB.read_text() + GITLAB.read_text()))
    assert len(named) == 2
    for name in named:
        assert read_plan(CI.parents[1] / name).parts


def test_the_github_workflow_is_safe_for_forks_and_keeps_what_was_recorded() -> None:
    text = GITHUB.read_text()
    workflow = yaml.safe_load(text)
    triggers = workflow[True]  # YAML 1.1 reads `on` as a truth value
    assert set(triggers) == {"schedule", "workflow_dispatch", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    steps = workflow["jobs"]["night"]["steps"]
    upload = next(step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "runs/"
    checkout = next(step for step in steps if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False
    scripts = [step["run"] for step in steps if "run" in step]
    assert any("$GITHUB_STEP_SUMMARY" in script for script in scripts)
    assert not any("${{" in script for script in scripts)  # nothing from outside becomes shell


def test_the_gitlab_workflow_keeps_what_was_recorded_and_shows_the_verdict() -> None:
    job = yaml.safe_load(GITLAB.read_text())["earwitness"]
    assert job["artifacts"]["when"] == "always"
    assert {"night.md", "runs/"} <= set(job["artifacts"]["paths"])
    assert any("--summary night.md" in line for line in job["script"])
    assert [rule["variables"]["PLAN"] for rule in job["rules"]]


def test_the_cron_script_is_shell_and_is_quiet_only_if_the_night_passed(tmp_path: Path) -> None:
    assert "examples/ci/nightly.sh" in CRON.read_text()
    fake = tmp_path / ".venv" / "bin" / "earwitness"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        '#!/bin/bash\nwhile [ "$1" != --summary ]; do echo "got $1"; shift; done\necho "# $SAID" > "$2"\nexit $CODE\n'
    )
    fake.chmod(0o755)

    def run(code: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", "CODE": str(code), "SAID": "FAIL: 1 of 2"}
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30
        )

    passed, failed = run(0), run(1)
    assert (passed.returncode, passed.stdout, passed.stderr) == (0, "", "")
    assert (failed.returncode, failed.stdout) == (1, "# FAIL: 1 of 2\n")
    assert run(0, "--resume").returncode == 0
    night = tmp_path / "runs" / "night-20260101_010101-ab12"
    night.mkdir()
    (night / "night.json").write_text("{}")
    run(0, "--resume")
    assert f"got runs/{night.name}" in (tmp_path / "runs" / "nightly.log").read_text()
