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

TESTS = Path(__file__).parent
ROOT = TESTS.parent
# The same examples in every run, and no limit on how long one takes: neither chance nor a busy host turns a test red.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

#: Files and folders whose tests take seconds, by `--durations`: they start commands, or listen for long. Not in `make quick`.
SLOW = (
    "benchmarks/", "commands/test_history.py", "commands/test_listen.py", "commands/test_main.py",
    "commands/test_report.py", "commands/test_tts.py", "docs/", "history/test_baselines.py", "history/test_changes.py",
    "history/test_database.py", "history/test_networks.py", "history/test_run_history.py",
    "history/test_suite_and_history.py", "judge/test_codec_sweep.py", "judge/test_comparison.py", "link/test_command.py",
    "link/test_kernel.py", "link/test_signalling.py", "listen/metrics/test_accounts.py",
    "listen/metrics/test_continuity.py", "listen/metrics/test_happenings.py", "listen/metrics/test_mel_distance.py",
    "listen/metrics/test_octaves.py", "listen/metrics/test_recovery.py", "listen/metrics/test_torn.py",
    "listen/metrics/test_transport.py", "listen/metrics/test_wire.py", "listen/place/test_any_rate.py",
    "listen/place/test_timing.py", "listen/read/test_ear_clock.py", "listen/read/test_storage.py",
    "listen/test_by_hand.py", "listen/test_invariants.py", "listen/test_recorder.py", "listen/test_validity.py",
    "nightly/test_marker.py", "nightly/test_night.py", "nightly/test_plan_file.py", "nightly/test_retention.py",
    "nightly/test_webm.py", "package/", "plugin/test_hooks.py", "processes/test_piped_child.py",
    "prove/test_beacon_listening.py", "prove/test_calibrate_command.py", "prove/test_known_faults.py",
    "provide/test_chromium.py", "run/test_hearing_process.py", "runtime/call/test_bad_words.py",
    "runtime/call/test_bridge.py", "runtime/engine_server/test_engine_server.py", "runtime/engines/test_engines.py",
    "runtime/engines/test_piper.py", "runtime/engines/test_whisper_tiny.py", "runtime/tts_server/test_tts_server.py",
    "runtime/voice/test_packets.py", "service/test_parts_that_die.py", "speech/test_cases.py", "speech/test_recipes.py",
    "test_chance.py", "test_layers.py",
)  # fmt: skip

#: Live tests of what another call beside them would change: clocks, and calls that are played side by side.
ALONE = (
    "browser/test_clocks_and_statistics.py", "live/test_calibrate.py", "live/test_neural_engines.py", "live/test_prove.py",
    "live/test_side_by_side.py", "runtime/page/test_page_latency.py",
)  # fmt: skip
#: How long an answer is awaited in a live test: the agent's recogniser may have to wait for a processor. Nobody waits for it
#: otherwise.
PATIENCE_MS = 30_000.0
GONE_TIMEOUT_S = 60.0  # until a process that was ended is gone

#: The longest test takes 100 s on a quiet machine. One that hangs ends its process, with the stacks of all threads: what holds
#: it may be a thread that Python waits for at its exit.
TEST_TIMEOUT_S = 900.0


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are no name: gzip's hold the time, and workers that collect in different seconds refuse each other's tests."""
    return f"{argname}_of_{len(val)}" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(TESTS):
            name = item.path.relative_to(TESTS).as_posix()
            if name.startswith(SLOW):
                item.add_marker("slow")
            if name in ALONE:
                item.add_marker("alone")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S, method="thread"))


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
def patient_cases(tmp_path: Path) -> Callable[..., Path]:
    """A folder with shipped cases, by name, that give a busy host time to answer."""

    def copied(*names: str) -> Path:
        folder = tmp_path / "cases"
        folder.mkdir(exist_ok=True)
        for name in names:
            text = (ROOT / "cases" / f"{name}.yaml").read_text()
            assert "reply_timeout_ms" not in text
            (folder / f"{name}.yaml").write_text(text + f"reply_timeout_ms: {PATIENCE_MS:.0f}\n")
        return folder

    return copied


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Nothing that the test started is alive after it."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=GONE_TIMEOUT_S)
    assert not alive, f"left behind: {[' '.join(process.cmdline())[:120] for process in alive]}"


@pytest.fixture
def earwitness(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command, run as a user would, with its runs in the test's own folder."""

    def run(
        *arguments: str, timeout_s: float = 400.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness.commands.main", *arguments]
        if arguments[0] == "run":
            command += ["--runs", str(tmp_path / "runs")]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **(env or {})}, timeout=timeout_s, capture_output=True, text=True
        )

    return run
