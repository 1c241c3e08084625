"""The process ends with its own status, with LiveKit's native runtime loaded or not, and what it printed is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

TIMEOUT_S = 60.0


def ended(body: str, *, native: bool) -> subprocess.CompletedProcess[str]:
    script = f"""
import sys
{"import livekit.rtc" if native else ""}
from harness.processes.ending import end_process_of

def main():
    print("said")
    {body}

end_process_of(main)
"""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("body", "status"), [("pass", 0), ("sys.exit()", 0), ("sys.exit(3)", 3), ("raise SystemExit(130)", 130)]
)
def test_the_status_is_the_commands_own_and_its_words_are_out(body: str, status: int, native: bool) -> None:
    process = ended(body, native=native)
    assert (process.returncode, process.stdout) == (status, "said\n")


@pytest.mark.parametrize("native", [False, True])
def test_a_bug_shows_its_trace(native: bool) -> None:
    process = ended("raise ValueError('a bug')", native=native)
    assert process.returncode == 1
    assert "ValueError: a bug" in process.stderr


def test_no_exit_handler_of_a_native_runtime_can_change_the_status() -> None:
    process = ended("import atexit, os; atexit.register(os.abort)", native=True)
    assert process.returncode == 0
