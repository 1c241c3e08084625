"""The Dockerfile and the GitHub action say what the command knows: options, paths, no root; the action's script is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.run.written_run import write_run
from tests.judge.canned import case, measurement, metric, summary, verdict

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
SCRIPT = ROOT / "scripts" / "action.sh"
#: Stands for the command: `run` lays a finished run into --runs, everything else is the real one.
COMMAND = """#!/bin/sh
if [ "$1" = run ]; then
  printf '%s\\n' "$@" > "$CALLED"
  while [ "$1" != --runs ]; do shift; done
  mkdir -p "$2" && cp -r "$FINISHED" "$2/"
  exit 1
fi
exec "{python}" -m harness.commands.main "$@"
"""


def test_the_container_runs_the_command_as_nobody_special_with_chromium_inside() -> None:
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    last_stage = lines[max(index for index, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert "USER earwitness" in last_stage
    assert last_stage.index("USER earwitness") < last_stage.index('ENTRYPOINT ["earwitness"]')
    assert not [line for line in last_stage[last_stage.index("USER earwitness") :] if line.startswith("RUN")]
    assert re.search(r"apt-get install .*\bchromium\b", DOCKERFILE)
    assert "earwitness setup" in DOCKERFILE
    assert '[all]"' in DOCKERFILE
    assert set(re.findall(r"FROM (\S+)", DOCKERFILE)) == {"python:3.12-slim-bookworm", "installed"}


def test_what_the_container_is_built_from_leaves_out_what_is_not_ours_to_give() -> None:
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "runs"} <= set(left_out)
    for needed in (
        "harness",
        "bots",
        "runtime",
        "reports",
        "earwitness",
        "cases",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    ):
        assert (ROOT / needed).exists()
        assert needed not in left_out


def test_the_actions_inputs_reach_the_script_by_the_environment_alone() -> None:
    assert {"cases", "agent", "network", "baseline"} <= set(ACTION["inputs"])
    (run,) = [step for step in ACTION["runs"]["steps"] if step.get("id") == "run"]
    assert "${{" not in run["run"], "an input in the script's text could be a command"
    told = {re.sub(r"\W|inputs", "", value.replace(".", "")) for value in run["env"].values()}
    assert {name.replace("-", "") for name in ACTION["inputs"]} - told == {"artifact", "pythonversion"}
    for name in run["env"]:
        assert re.search(rf"\$\{{?{name}\b", SCRIPT.read_text() + run["run"]), f"nothing reads {name}"
    for output in ACTION["outputs"].values():
        (name,) = re.findall(r"steps\.run\.outputs\.(\w+)", output["value"])
        assert f'echo "{name}=' in SCRIPT.read_text()


def test_the_options_that_the_script_gives_are_the_commands_own() -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "harness.commands.main", "run", "--help"],
        env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    given = set(re.findall(r"(--[a-z-]+) \"\$", SCRIPT.read_text())) - {"--annotations"}  # of report
    assert {"--agent", "--user", "--cases", "--network", "--runs", "--livekit-url"} <= given
    assert not [option for option in given if option not in helped.stdout]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of one case that failed, with its report."""
    definition, latency = case("slow"), metric(5_000.0)
    measured = measurement("slow", eot_to_first_audio_ms=latency, user_kpi_ms=latency)
    folder = tmp_path / "20260101_000000-abcd"
    folder.mkdir()
    write_run(summary([(definition, verdict(definition, measured))]), folder)
    return folder


def test_the_script_reports_annotates_and_ends_with_the_status_of_the_run(finished: Path, tmp_path: Path) -> None:
    command = tmp_path / "earwitness"
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)
    env = {
        **os.environ, "EARWITNESS_COMMAND": str(command), "RUNNER_TEMP": str(tmp_path / "temp"), "FINISHED": str(finished),
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "CALLED": str(tmp_path / "called"), "AGENT": "command: bot --at home", "AS_USER": "bot", "CASES": "my cases",
        "SUITE": "", "NETWORK": "bad_wifi", "URL": "", "HISTORY": "", "BASELINE": "", "MORE": "--strict --attempts 2",
    }  # fmt: skip
    done = subprocess.run(["bash", str(SCRIPT)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    called = (tmp_path / "called").read_text().splitlines()
    assert called[called.index("--agent") + 1] == "command: bot --at home"
    assert called[called.index("--cases") + 1] == "my cases"
    assert called[-3:] == ["--strict", "--attempts", "2"]
    run = tmp_path / "temp" / "earwitness-runs" / finished.name
    assert (tmp_path / "output").read_text().splitlines() == ["status=1", f"report={run}"]
    assert "slow FAIL" in (tmp_path / "summary").read_text()
    assert "::error title=Earwitness%3A slow FAIL::" in done.stdout


def test_where_no_run_was_made_the_script_says_so(tmp_path: Path) -> None:
    env = {
        **os.environ, "EARWITNESS_COMMAND": "false", "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"),
        **dict.fromkeys(("AGENT", "AS_USER", "CASES", "SUITE", "NETWORK", "URL", "HISTORY", "BASELINE", "MORE"), ""),
    }  # fmt: skip
    done = subprocess.run(["bash", str(SCRIPT)], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no run was made" in done.stdout
