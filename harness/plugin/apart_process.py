"""The run of the plugin as a process of its own: `python -P -m harness.plugin.apart_process`.

A line on stdin says what to run. JSON lines on stdout say where the run is, which case is judged, and why no more come. The
verdicts stand in the run's summary.json. When stdin closes, the process breaks the run off and reports the finished cases.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from harness.errors import EarwitnessError
from harness.judge.limits import limits_text
from harness.processes.ending import end_process_of
from harness.provide.cache import cache_dir
from harness.run.cases import build_cases, load_checked_cases
from harness.run.open import run_plan
from harness.run.plan import make_plan
from harness.settings import load_settings


def say(what: str, **more: Any) -> None:
    """Write to the parent's pipe, whatever else writes to stdout."""
    sys.stdout.write(json.dumps({"say": what, **more}) + "\n")
    sys.stdout.flush()


async def play(wanted: dict[str, Any]) -> None:
    """Raises EarwitnessError."""
    settings = load_settings(wanted["flags"], folder=Path(wanted["folder"]))
    limits = settings.run_limits()
    cases = build_cases(load_checked_cases([Path(path) for path in wanted["cases"]], limits), cache_dir() / "cases")
    plan = make_plan(settings, cases)
    own = "" if limits.shipped else limits_text(limits)
    say("begun", run_dir=str(plan.run_dir), strict=plan.strict, limits=own, jobs_why=plan.jobs_why)
    running = asyncio.create_task(
        run_plan(
            plan,
            settings,
            on_verdict=lambda verdict: say("judged", case=verdict.case_id),
            on_sent=lambda line: say("sent", how=line),
        )
    )
    reading = asyncio.create_task(_until_stdin_closes())
    await asyncio.wait((running, reading), return_when=asyncio.FIRST_COMPLETED)
    running.cancel()  # does nothing to a finished run
    reading.cancel()
    summary = await running  # an interrupted run has one too
    say("over", why="; ".join(summary.errors) or "the run was broken off before this case")


async def _until_stdin_closes() -> None:
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:  # asyncio reads what follows the line
        wanted = json.loads(stdin.readline())
    try:
        asyncio.run(play(wanted))
    except EarwitnessError as error:
        say("over", why=str(error))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    end_process_of(main)
