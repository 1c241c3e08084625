"""What an agent imports to be measured inside stands alone: the wheel without what it requires, in an empty environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.package.installed import ROOT, Installed

INSTALL_TIMEOUT_S = 120.0
NAMES = {"harness", "bots", "runtime", "reports", "pydantic", "numpy", "livekit", "pipecat"}
OTHERS = f"{{name.partition('.')[0] for name in sys.modules}} & {NAMES}"
ALONE = f"""
import asyncio, importlib.util, json, logging, os, sys
logging.basicConfig(format="%(message)s")
assert importlib.util.find_spec("pydantic") is None and importlib.util.find_spec("numpy") is None
from earwitness.livekit import attach
from earwitness.pipecat import attach as attach_bot
from earwitness.attached.wire import Question, event_bytes
print(json.loads(event_bytes(Question("trace", "t", "r", "c", 1), "trace_ack", 0, 1.0, None, {{}}))["type"])
attach(object(), object())  # an ordinary call: neither is looked at
attach_bot(object(), object())
os.environ["EARWITNESS_CAPTURES"] = "."
attach(object(), object())  # neither is what it should be: logged, not raised
attach_bot(object(), object())
print({OTHERS})
"""


@pytest.fixture
def bare(installed: Installed, tmp_path: Path) -> Installed:
    """The wheel alone."""
    folder = tmp_path / "env"
    for arguments in (
        ["venv", "--quiet", "--python", str(installed.python), str(folder)],
        ["pip", "install", "--quiet", "--no-deps", "--python", str(folder / "bin" / "python"), str(installed.wheel)],
    ):
        subprocess.run([installed.uv, *arguments], env=installed.env, timeout=INSTALL_TIMEOUT_S, check=True)
    return replace(installed, folder=folder)


def test_the_wheel_without_what_it_requires_is_enough(bare: Installed, tmp_path: Path) -> None:
    done = bare.run("python", "-c", ALONE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["trace_ack", "set()"]
    assert done.stderr.count("the session is not measured inside") == 1
    assert done.stderr.count("the bot is not measured inside") == 1


def test_it_brings_nothing_of_the_harness_into_the_agents_process() -> None:
    script = f"import sys, earwitness.livekit, earwitness.pipecat; print({OTHERS})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
