"""`make` on a machine that lacks something: one clear line, no half-made environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE_TIMEOUT_S = 60.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the set-up reads, without an environment."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "uv.lock", "scripts/setup.sh"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EARWITNESS_CACHE": str(checkout.parent / "cache"), **env}
    environment.pop("MAKEFLAGS", None)  # ours is not a part of the make that runs the tests
    return subprocess.run(
        ["make", *words], cwd=checkout, env=environment, capture_output=True, text=True,
        timeout=MAKE_TIMEOUT_S, check=False,
    )  # fmt: skip


def test_help_lists_the_two_commands(checkout: Path) -> None:
    text = make(checkout).stdout
    assert "make run" in text
    assert "make test" in text


def test_a_python_that_does_not_do_is_named(checkout: Path) -> None:
    done = make(checkout, "setup", PYTHON="/bin/false")
    assert done.returncode != 0
    assert "PYTHON=/bin/false is not a Python >= 3.11" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_set_up_that_fails_is_not_taken_for_done(checkout: Path, tmp_path: Path) -> None:
    """A uv that fails: no stamp, so that the next `make` tries again."""
    (tmp_path / "bin").mkdir()
    uv = tmp_path / "bin" / "uv"
    uv.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    uv.chmod(0o755)
    for _ in range(2):
        done = make(checkout, "setup", PATH=f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
        assert done.returncode != 0
        assert "no network" in done.stderr
    assert not (checkout / ".venv" / ".set-up-for").exists()
