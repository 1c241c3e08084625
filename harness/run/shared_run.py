"""One run that several processes share: the controller provides the media server and the governor, and reports.

Each worker has its own bench (agent, browser) and records its attempts into the same run folder and the history.
The controller reads their results from the capture folders when all have ended: nothing else passes between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.live.shared_staging import Message, SharedStaging, StagingServer, run_of_server

if TYPE_CHECKING:  # what a run needs loads when there is one: pytest opens this in every session with workers
    from harness.live.governor import Governor
    from harness.model.measurement import Measurement
    from harness.model.plan import BuiltCase
    from harness.model.verdict import AttemptVerdict, Summary
    from harness.run.run import Run
    from harness.settings import Settings


@dataclass
class SharedRun:
    """One run for `workers` processes. `run` is None until the first worker asks.

    `settings` may raise UsageError, which goes to the workers that ask.
    """

    settings: Callable[[], Settings]
    workers: int
    run: Run | None = None
    governor: Governor | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> Path:
        """The socket where workers ask; nothing starts before they do."""
        return await self._stack.enter_async_context(StagingServer(self._open_run).serving())

    async def close(self) -> None:
        await self._stack.aclose()

    async def _open_run(self) -> tuple[Governor, Message]:
        """Raises UsageError, ProvisionError."""
        from harness.live.governor import open_governor
        from harness.provide.media_server import LiveKitTarget, media_server
        from harness.run.open import run_history
        from harness.run.plan import make_plan
        from harness.run.run import Run

        settings = await asyncio.to_thread(self.settings)
        plan = await asyncio.to_thread(make_plan, settings, ())
        external = settings.external_server()
        target = LiveKitTarget(*external) if external is not None else None
        log_path = plan.run_dir / "logs" / "livekit-server.log"
        server = await self._stack.enter_async_context(media_server(target=target, log_path=log_path))
        limit, why = self._limit(settings)
        self.governor = await self._stack.enter_async_context(open_governor(limit, why=why))
        self.run = Run(plan, history=run_history(plan, settings), staging=self.governor)
        return self.governor, {
            "run_id": plan.run_id,
            "run_dir": str(plan.run_dir.resolve()),
            "started_at": self.run.started_at,
            "sessions": self.workers,
            "server": {
                "url": server.url, "api_key": server.api_key, "api_secret": server.api_secret,
                "version": server.version, "external": server.external, "pid": server.pid,
            },
        }  # fmt: skip

    def _limit(self, settings: Settings) -> tuple[int, str]:
        """As many sessions as processes, unless fewer were asked for."""
        from harness.run.jobs import decide_jobs

        asked = decide_jobs(settings)
        if settings.jobs == 1 or asked.jobs >= self.workers:
            return self.workers, f"{self.workers} processes"
        return asked.jobs, f"of {self.workers} processes, {asked.why}"

    def report(self, *, complete: bool, order: Sequence[str], errors: Sequence[str]) -> Summary | None:
        """Judge what all workers recorded; None if no run was opened. Raises OSError.

        `order`: all cases that were meant to run; the run is complete only with a verdict for each.
        """
        run = self.run
        if run is None:
            return None
        from harness.judge.verdict import judge_case
        from harness.model.capture import MANIFEST, read_manifest

        run.order, run.hear = list(order), heard_already
        run.errors += errors
        attempts: dict[str, list[AttemptVerdict]] = {}
        for folder in sorted(path.parent for path in (run.plan.run_dir / "captures").glob(f"*/{MANIFEST}")):
            built = _built(folder, run)
            if built is not None:
                verdict = run.judge(built, folder, read_manifest(folder))
                attempts.setdefault(built.case.id, []).append(verdict)
        for name, judged in attempts.items():
            run.verdicts[name] = judge_case(run.definitions[name], sorted(judged, key=lambda a: a.attempt))
        return run.finish(complete=complete and set(order) <= set(run.verdicts))


def _built(folder: Path, run: Run) -> BuiltCase | None:
    """The case that was spoken, from its capture."""
    from pydantic import ValidationError

    from harness.model.capture import CASE, SAID, TRUTH
    from harness.model.case import Case, Truth
    from harness.model.plan import BuiltCase

    try:
        case = Case.model_validate_json((folder / CASE).read_bytes())
        truth = Truth.model_validate_json((folder / TRUTH).read_bytes())
    except (OSError, ValidationError) as error:
        run.errors.append(f"{folder.name}: not judged: {error}")
        return None
    return BuiltCase(case, folder / SAID, truth, folder / CASE)


def heard_already(folder: Path) -> Measurement:
    """The recording worker's measurement; measured now if it left none. Raises EarwitnessError."""
    from pydantic import ValidationError

    from harness.listen.measure import listen
    from harness.model.capture import MEASUREMENT
    from harness.model.measurement import Measurement

    try:
        return Measurement.model_validate_json((folder / MEASUREMENT).read_bytes())
    except (OSError, ValidationError):
        return listen(folder)


@asynccontextmanager
async def join_run(path: Path, settings: Settings) -> AsyncIterator[Run]:
    """This process's part in the run shared at `path`. Raises HarnessError, ProvisionError."""
    from harness.provide.media_server import MediaServer
    from harness.run.open import open_bench_of, run_history
    from harness.run.plan import plan_in
    from harness.run.run import Run

    async with run_of_server(path) as (about, ended):
        plan = plan_in(settings, (), about["run_id"], Path(about["run_dir"]))
        server = MediaServer(**about["server"], lost=ended)
        staging = SharedStaging(path, about["sessions"])
        run = Run(
            plan, history=run_history(plan, settings), staging=staging, keeps=False, started_at=about["started_at"]
        )
        async with open_bench_of(plan, settings, server=server, staging=staging) as run.bench:
            yield run
