"""A real night in the bot lane, killed with SIGKILL and resumed: nothing finished is lost, nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.history.database import open_history
from harness.history.reading import read_run
from harness.model.capture import MANIFEST
from harness.nightly.folder import read_night
from harness.nightly.ledger import LEDGER, Ledger, Line

ROOT = Path(__file__).parents[2]
PLAN = "parts:\n  - {id: one, cases: [endpoint_short_hello], turns: 1}\n  - {id: two, cases: [endpoint_short_hello], turns: 1}\n"
GONE_TIMEOUT_S = 60.0
RESUMED_TIMEOUT_S = 600.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-u", "-m", "harness.commands.main", "nightly", *arguments]


def attempts(night: Path) -> list[Line]:
    return [line for line in Ledger(night / LEDGER).read().lines if line.what == "attempt"]


@pytest.mark.live
def test_a_night_that_was_killed_goes_on_without_doing_finished_work_again(tmp_path: Path) -> None:
    plan, out = tmp_path / "plan.yaml", tmp_path / "runs"
    plan.write_text(PLAN)
    first = subprocess.Popen(
        command("--plan", str(plan), "--out", str(out), "--user", "bot"), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        told = []
        for row in first.stdout:  # the line is printed when the ledger has the attempt
            told.append(row)
            if row.startswith("[1/2]"):
                break
        else:
            pytest.fail("the night ended: " + "".join(told))
        started = psutil.Process(first.pid).children(recursive=True)
    finally:
        first.kill()
        first.communicate(timeout=GONE_TIMEOUT_S)
    _, alive = psutil.wait_procs(started, timeout=GONE_TIMEOUT_S)
    assert not alive, [process.cmdline() for process in alive]

    (night,) = out.glob("night-*")
    (done,) = attempts(night)
    capture = night / "parts" / "one" / read_night(night).parts[0].run_id / "captures" / done.trace_id
    recorded = (capture / MANIFEST).stat().st_mtime_ns

    second = subprocess.run(
        command("--resume", night.name, "--out", str(out)), cwd=ROOT, capture_output=True, text=True,
        timeout=RESUMED_TIMEOUT_S, env={**os.environ, "COLUMNS": "200"}, check=False,
    )  # fmt: skip
    result = read_night(night).result
    assert result is not None, second.stdout + second.stderr
    assert result.complete, second.stdout + second.stderr
    assert result.sessions == 2
    assert [line.part for line in attempts(night)] == ["one", "two"]
    assert (capture / MANIFEST).stat().st_mtime_ns == recorded
    assert len(list(night.glob(f"parts/*/*/captures/*/{MANIFEST}"))) == 2
    for part, found in zip(read_night(night).parts, result.parts, strict=True):
        assert (found.played, found.planned) == (1, 1)
        assert found.joined is not None
        assert found.joined.hits == 1
        assert (night / part.folder / "report.md").is_file()
        with open_history(out / "history.sqlite") as history, history.reading() as session:
            assert read_run(session, part.run_id).n_attempts == 1
    assert result.peak_memory_bytes
    assert second.returncode == result.exit_code
