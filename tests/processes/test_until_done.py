"""Ctrl-C, once and again: the first ends the work in order, the others do not break off what it still has to keep."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PATIENCE_S = 30.0

WORK = """
import asyncio, sys
from harness.processes.until_done import until_done

async def work():
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("ending", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print("kept", flush=True)
    return 3

sys.exit(until_done(work()))
"""


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_break_off_what_is_being_kept(again: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ending\n"
        process.send_signal(again)
        assert process.stderr.readline().startswith("earwitness: ending; what was recorded is being kept.")
        out, _ = process.communicate("\n", timeout=PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    assert out == "kept\n"
    assert process.returncode == 3
