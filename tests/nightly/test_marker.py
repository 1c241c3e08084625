"""The pytest marker `nightly` selects the cases that the night's plan plays."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from harness.model.case import Case
from harness.nightly.layout import cases_of, lay_out
from harness.nightly.plan_file import DEFAULT_PLAN, read_plan
from harness.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_marker_selects_what_the_plan_that_ships_plays(shipped_cases: list[tuple[Path, Case]]) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "cases",
        "--collect-only",
        "-q",
        "-m",
        "nightly",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    played = cases_of(lay_out(read_plan(DEFAULT_PLAN), Settings(), shipped_cases))
    assert sorted(re.findall(r"::(\S+)", done.stdout)) == sorted(played), done.stdout
    assert len(played) < len(shipped_cases)
