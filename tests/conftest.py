"""Shared by the tests: one media server for all live tests, cases built once, and a check that nothing stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from harness.model.case import Case
from harness.model.plan import BuiltCase
from harness.provide.cache import cache_dir
from harness.run.cases import build_cases, load_checked_cases, select_cases

ROOT = Path(__file__).parents[1]
# The same examples in every run, and no limit on how long one takes: neither chance nor a busy host turns a test red.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def shipped_cases() -> list[tuple[Path, Case]]:
    return load_checked_cases([ROOT / "cases"])


@pytest.fixture(scope="session")
def built(shipped_cases: list[tuple[Path, Case]]) -> Callable[[str], BuiltCase]:
    """A shipped case with its speech, by name."""

    def get(name: str) -> BuiltCase:
        (case,) = build_cases(select_cases(shipped_cases, "all", [name]), cache_dir() / "cases")
        return case

    return get


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Nothing that the test started is alive after it."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert not alive, f"left behind: {[' '.join(process.cmdline())[:120] for process in alive]}"


@pytest.fixture
def earwitness(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command, run as a user would, with its runs in the test's own folder."""

    def run(
        *arguments: str, timeout_s: float = 240.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness.commands.main", *arguments]
        if arguments[0] == "run":
            command += ["--runs", str(tmp_path / "runs")]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(env or {})}, timeout=timeout_s, capture_output=True, text=True
        )

    return run
