"""From settings and cases to the plan of a run, and its folder."""

from __future__ import annotations

import datetime
import secrets
from contextlib import suppress
from pathlib import Path

from harness.errors import EarwitnessError, UsageError
from harness.model.capture import write_atomic
from harness.model.limits import LIMITS
from harness.model.plan import BuiltCase, Plan
from harness.run.jobs import decide_jobs
from harness.settings import Settings


def new_run_id(now: datetime.datetime | None = None) -> str:
    """Start time with a random suffix: two runs that start in one second do not meet (H-08)."""
    now = now or datetime.datetime.now()
    return f"{now:%Y%m%d_%H%M%S}-{secrets.token_hex(2)}"


def make_plan(settings: Settings, cases: tuple[BuiltCase, ...], *, resumed: str | None = None) -> Plan:
    """Make a plan and its run folder. `resumed`: the id of a run that may have its folder already.

    Raises UsageError, HistoryError.
    """
    run_id = resumed or new_run_id()
    run_dir = settings.runs / run_id
    plan = plan_in(settings, cases, run_id, run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=resumed is not None)
    except OSError as error:
        raise UsageError(f"--runs {settings.runs}: cannot make {run_dir}: {error.strerror}") from error
    if not plan.limits.shipped:
        write_atomic(run_dir / LIMITS, plan.limits.model_dump_json(indent=2).encode())
    place = settings.history_place()
    if place is not None:
        from harness.history.run_history import check_history  # SQLAlchemy loads only where a history is kept

        try:
            check_history(place)
        except EarwitnessError:
            with suppress(OSError):  # a resumed run's folder is not empty
                if resumed is None:
                    (run_dir / LIMITS).unlink(missing_ok=True)
                run_dir.rmdir()  # refused before anything is recorded: nothing is left behind
            raise
    return plan


def plan_in(settings: Settings, cases: tuple[BuiltCase, ...], run_id: str, run_dir: Path) -> Plan:
    """A plan for the run folder `run_dir`, which is not made here. Raises UsageError."""
    jobs = decide_jobs(settings)
    _check_dialogues(settings, cases)
    return Plan(
        run_id=run_id,
        run_dir=run_dir,
        cases=cases,
        suite=settings.suite + (f", tagged {' or '.join(settings.tag)}" if settings.tag else ""),
        lane=settings.lane,
        mic=settings.mic,
        agent=settings.agent_spec(),
        rules=settings.call_rules(),
        page=settings.page_spec(),
        invitation=settings.invitation(),
        otlp_in=settings.otlp_port(),
        otlp=settings.otlp_target(),
        attempts=settings.attempts,
        repeat=settings.repeat,
        strict=settings.strict,
        jobs=jobs.jobs,
        jobs_why=jobs.why,
        limits=settings.run_limits(),
        network=settings.network_spec(),
        recogniser=settings.recogniser_spec(),
    )


def _check_dialogues(settings: Settings, cases: tuple[BuiltCase, ...]) -> None:
    """A dialogue follows the agent's words and tools in the room, with a microphone that speaks what is chosen in the call."""
    built = next((built for built in cases if built.case.dialogue is not None), None)
    if built is None:
        return
    if settings.no_room:
        why = "--no-room: only a room tells the agent's words and tools, which"
        raise UsageError(
            f"{built.path}: {why} a dialogue follows; play this case with a room, or give its words a start"
        )
    if settings.mic == "device" and settings.lane == "browser":
        why = "--mic device plays a file and cannot hold a dialogue"
        raise UsageError(f"{built.path}: {why}; play this case with --mic scheduled")
