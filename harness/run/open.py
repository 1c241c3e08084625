"""A run opened and played: its bench, its history, all its cases. Whatever ends it early, there is a report.

The command line and the pytest plugin both come in here.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from harness.errors import EarwitnessError
from harness.model.plan import Plan
from harness.model.verdict import Summary
from harness.own_faults import broken_off, note_fault
from harness.processes.uninterrupted import to_its_end
from harness.run.run import Run
from harness.run.sent_traces import sent_run
from harness.run.side_by_side import OnCase, OnPhase, OnVerdict, run_cases
from harness.run.written_run import not_written, write_run
from harness.settings import Settings

if TYPE_CHECKING:
    from harness.history.run_history import RunHistory
    from harness.live.bench import Bench
    from harness.live.governor import Staging
    from harness.provide.media_server import MediaServer


def run_history(plan: Plan, settings: Settings) -> RunHistory | None:
    place = settings.history_place()
    if place is None:
        return None
    from harness.history.run_history import RunHistory

    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return RunHistory(place, plan.suite, plan.run_dir, started_at, settings.machine_class, limits=plan.limits)


@asynccontextmanager
async def open_bench_of(
    plan: Plan,
    settings: Settings,
    *,
    server: MediaServer | None = None,
    staging: Staging | None = None,
    agent_env: dict[str, str] | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> AsyncIterator[Bench]:
    """A bench for `plan`, with its own media server unless one is given. Raises ProvisionError, HarnessError."""
    from harness.live.bench import open_bench  # LiveKit and Playwright load only where something is live
    from harness.provide.media_server import LiveKitTarget

    external = settings.external_server()
    async with open_bench(
        plan,
        target=LiveKitTarget(*external) if external is not None else None,
        server=server,
        headless=not settings.headed,
        agent_env={**settings.agent_env(), **(agent_env or {})},
        staging=staging,
        on_note=on_note,
    ) as bench:
        yield bench


@asynccontextmanager
async def open_run(
    plan: Plan,
    settings: Settings,
    *,
    run: Run | None = None,
    agent_env: dict[str, str] | None = None,
    on_note: Callable[[str], None] = lambda note: None,
) -> AsyncIterator[Run]:
    """A run with its bench open; `run`: a run that has begun already. Raises ProvisionError, HarnessError."""
    from harness.live.governor import open_governor
    from harness.run.hearing_process import EARS_LOG, HearingProcess

    run = run or Run(plan, history=run_history(plan, settings))
    async with AsyncExitStack() as stack:
        if plan.jobs > 1:
            governor = open_governor(plan.jobs, why=plan.jobs_why, on_note=on_note)
            run.staging = await stack.enter_async_context(governor)
            run.hear = stack.enter_context(HearingProcess(plan.run_dir / EARS_LOG, plan.recogniser)).hear
        bench = open_bench_of(plan, settings, staging=run.staging, agent_env=agent_env, on_note=on_note)
        run.bench = await stack.enter_async_context(bench)
        yield run


async def run_plan(
    plan: Plan,
    settings: Settings,
    *,
    on_note: Callable[[str], None] = lambda note: None,
    on_case: OnCase = lambda built, index: None,
    on_phase: OnPhase = lambda case, phase: None,
    on_verdict: OnVerdict = lambda verdict: None,
    on_sent: Callable[[str], None] = lambda line: None,
) -> Summary:
    """All cases of `plan`, up to `plan.jobs` of them at once. An interruption still gives a (partial) report.

    `on_sent` gets the line on how the traces of the calls went out, where they do.
    """
    run = Run(plan)
    complete = False
    try:
        async with open_run(plan, settings, on_note=on_note) as run:
            complete = await run_cases(run, plan.cases, on_case=on_case, on_phase=on_phase, on_verdict=on_verdict)
    except asyncio.CancelledError:
        run.interrupted = True
    except EarwitnessError as error:
        run.errors.append(str(error))
    except OSError as error:
        run.errors.append(broken_off(error))
    except Exception as error:  # a fault of ours must not cost the report; it is named, logged and exits with 3
        run.errors.append(note_fault(plan.run_dir, "running the cases", error))
    summary = await to_its_end(asyncio.to_thread(run.conclude_run, complete=complete))
    try:
        summary = await to_its_end(asyncio.to_thread(write_run, summary, plan.run_dir))
    except OSError as error:
        summary = not_written(summary, plan.run_dir, error)
    with suppress(asyncio.CancelledError):  # the verdict is written: only the sending is given up
        if line := await sent_run(summary, plan.run_dir, plan.otlp):
            on_sent(line)
    return summary
