"""A child process that works by its pipes: how it ends."""

from __future__ import annotations

import subprocess

STOP_TIMEOUT_S = 5.0


def end_child(process: subprocess.Popen[bytes]) -> None:
    """Close its stdin, which tells it to end; killed if it does not within STOP_TIMEOUT_S. Its pipes are closed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
