"""The plugin with `--ew-jobs`: all selected cases start side by side, and each test waits for its own verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from harness.errors import EarwitnessError
from harness.model.plan import BuiltCase
from harness.model.verdict import CaseVerdict
from harness.own_faults import broken_off, note_fault
from harness.processes.loop_thread import LoopThread

if TYPE_CHECKING:
    from harness.run.run import Run


class Ahead:
    """`verdict_of` blocks until a case is done, and raises what ended the run; `stop` breaks off the rest."""

    def __init__(self, run: Run, cases: Sequence[BuiltCase], loop: LoopThread) -> None:
        self._run, self._cases = run, cases
        self._verdicts: dict[str, Future[CaseVerdict]] = {built.case.id: Future() for built in cases}
        self._task: asyncio.Task[None] | None = None
        loop.wait(self._begin())

    def __contains__(self, case_id: str) -> bool:
        return case_id in self._verdicts

    def verdict_of(self, case_id: str) -> CaseVerdict:
        return self._verdicts.pop(case_id).result()

    async def _begin(self) -> None:
        self._task = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        from harness.run.side_by_side import run_cases

        waiting = dict(self._verdicts)
        error: BaseException = EarwitnessError("the run was broken off before this case")
        try:
            await run_cases(self._run, self._cases, on_verdict=lambda v: waiting.pop(v.case_id).set_result(v))
            if self._run.broken is not None:
                error = EarwitnessError(f"the run is broken off: {self._run.broken}")
        except (EarwitnessError, OSError) as why:
            error = why if isinstance(why, EarwitnessError) else EarwitnessError(broken_off(why))
            self._run.errors.append(str(error))
        except Exception as why:  # a fault of ours: each waiting test and the run's report name it
            said = note_fault(self._run.plan.run_dir, "running the cases", why)
            error = EarwitnessError(said)
            self._run.errors.append(said)
        finally:
            for future in waiting.values():
                future.set_exception(error)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
