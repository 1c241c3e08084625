"""A run under way: attempts, their measurement, their verdicts, the run's verdict.

Each attempt is measured from its folder, between calls (with sessions side by side by a separate process while no call is
recorded), so that nothing else runs during a call. Recorded attempts are judged whatever ends the run; `summary.json` is
written from the first case on.
"""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import EarwitnessError
from harness.history.environment import ears_version
from harness.judge.verdict import RunFacts, judge_attempt, judge_case, judge_run
from harness.listen.measure import write_measurement
from harness.model.capture import Manifest, callers, write_atomic
from harness.model.case import Case
from harness.model.degraded import degraded_in
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase, Plan, under_rules
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, CaseVerdict, Summary
from harness.own_faults import note_fault
from harness.processes.uninterrupted import to_its_end
from harness.run.written_run import (
    SUMMARY,
    captures_of,
    not_measured,
    with_error,
    without_measurements,
    write_run,
)
from harness.words_heard.recognise import listen_to_call

if TYPE_CHECKING:
    from harness.history.run_history import RunHistory
    from harness.judge.promoted import KpiLimit
    from harness.live.bench import Bench
    from harness.live.governor import Staging


@dataclass
class Run:
    """A run under way. `case` may be called in any order; `finish` judges the cases so far."""

    plan: Plan
    bench: Bench | None = None
    history: RunHistory | None = None
    staging: Staging | None = None  # sessions run side by side
    hear: Callable[[Path], Measurement] | None = None  # None: measure in this process
    keeps: bool = True  # writes summary.json while under way; not where several processes share the run
    order: list[str] = field(default_factory=list)  # all cases that are meant to run; the plan's if empty
    verdicts: dict[str, CaseVerdict] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    interrupted: bool = False
    _manifests: list[Manifest] = field(default_factory=list)
    definitions: dict[str, Case] = field(default_factory=dict)  # cases by name
    _judged: dict[str, AttemptVerdict] = field(default_factory=dict)  # by trace_id
    _judging: threading.RLock = field(default_factory=threading.RLock)
    _started: float = field(default_factory=time.monotonic)
    started_at: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    @property
    def broken(self) -> str | None:
        """Why no further case makes sense, or None."""
        return self.bench.broken if self.bench is not None else None

    async def case(self, built: BuiltCase, on_phase: Callable[[str], None] = lambda phase: None) -> CaseVerdict:
        """`plan.repeat` attempts of one case; up to `plan.attempts` each time the first did not pass, as evidence.

        Raises CancelledError once the recorded attempts are judged.
        """
        attempts: list[AttemptVerdict] = []
        built = under_rules(built, self.plan.rules)
        earlier = frozenset(self._judged)
        self.definitions[built.case.id] = built.case
        try:
            for _ in range(self.plan.repeat):
                await self._attempt(built, on_phase, attempts)
                for _ in range(self.plan.attempts - 1):
                    if attempts[-1].status in (Status.PASS, Status.WARN):
                        break
                    await self._attempt(built, on_phase, attempts)
        except BaseException as error:
            self.interrupted = self.interrupted or isinstance(error, asyncio.CancelledError)
            await to_its_end(asyncio.to_thread(self._left_behind, built, attempts, earlier))
            raise
        return self.verdicts[built.case.id]

    async def _attempt(
        self, built: BuiltCase, on_phase: Callable[[str], None], attempts: list[AttemptVerdict] | None = None
    ) -> AttemptVerdict:
        """Make one more attempt; add its verdict to the case's `attempts`, if given."""
        assert self.bench is not None
        folder, manifest = await self.bench.attempt(built, on_phase)
        on_phase("measure")

        def judged() -> AttemptVerdict:
            verdict = self.judge(built, folder, manifest)
            if attempts is not None:
                self._add(built, attempts, verdict)
                self.keep()
            return verdict

        async with self.staging.hearing() if self.staging is not None else nullcontext():
            return await to_its_end(asyncio.to_thread(judged))

    def _add(self, built: BuiltCase, attempts: list[AttemptVerdict], verdict: AttemptVerdict) -> None:
        with self._judging:
            attempts.append(verdict)
            self.verdicts[built.case.id] = judge_case(built.case, attempts)

    def _left_behind(self, built: BuiltCase, attempts: list[AttemptVerdict], earlier: frozenset[str]) -> None:
        """Judge, from its folder, the interrupted attempt that was recorded and not judged yet."""
        known = earlier | {attempt.trace_id for attempt in attempts}
        for folder, manifest in captures_of(self.plan, built.case.id):
            if manifest.trace_id not in known:
                self._add(built, attempts, self.judge(built, folder, manifest))

    def judge(self, built: BuiltCase, folder: Path, manifest: Manifest) -> AttemptVerdict:
        """A capture's verdict, written to the history too. A fault of ours costs this capture's measurement alone."""
        with self._judging:  # an interrupted case is judged at once, perhaps beside another
            self.definitions[built.case.id] = built.case
            self._manifests.append(manifest)
            measurement, problem = self._heard(folder)
            where = folder.relative_to(self.plan.run_dir).as_posix()
            try:
                verdict = judge_attempt(built.case, manifest, measurement, where, degraded_in(folder), self.plan.limits)
            except Exception as error:  # a fault of ours in one gate: it is named and logged, and exits with 3
                problem = note_fault(self.plan.run_dir, f"judging {manifest.trace_id}", error)
                verdict = judge_attempt(built.case, manifest, None, where)
            if problem:
                self.errors.append(f"{manifest.trace_id}: {problem}")
                verdict = not_measured(verdict, problem)
            self._judged[manifest.trace_id] = verdict
            if self.history is not None:
                try:
                    self.history.attempt(manifest, verdict, built.truth)
                except Exception as error:  # a fault of ours: the verdict is kept without the history
                    self.errors.append(note_fault(self.plan.run_dir, f"noting {manifest.trace_id}", error))
            return verdict

    def _heard(self, folder: Path) -> tuple[Measurement | None, str]:
        """A capture's measurement, or why there is none."""
        try:
            if self.hear is not None:
                return self.hear(folder), ""
            measurement = listen_to_call(folder, self.plan.recogniser)
        except (EarwitnessError, OSError) as error:
            return None, str(error)
        except Exception as error:  # a fault of ours in one metric: it is named and logged, and exits with 3
            return None, note_fault(self.plan.run_dir, f"hearing {folder.name}", error)
        try:
            write_measurement(folder, measurement)
        except OSError as error:
            self.errors.append(f"{folder.name}: measurement.json cannot be written: {error.strerror or error}")
        return measurement, ""

    def keep(self) -> None:
        """Write the verdicts so far to summary.json: a later kill or full disk loses none of them."""
        if not self.keeps:
            return
        with self._judging, suppress(OSError):  # the disk is full: what was kept stays, and the end says so
            summary = self._judge_run(self._facts(complete=False, limit=None, finished_at=None))
            write_atomic(self.plan.run_dir / SUMMARY, summary.model_dump_json(indent=2).encode())

    def finish(self, *, complete: bool) -> Summary:
        """Judge the run and write its reports. Raises OSError."""
        return write_run(self.conclude_run(complete=complete), self.plan.run_dir)

    def conclude_run(self, *, complete: bool) -> Summary:
        """The run's verdict, in the history too; nothing is written in its folder."""
        limit = self.history.limit() if self.history is not None else None
        if self.history is not None and self.history.limit_unknown is not None:
            self.errors.append(self.history.limit_unknown)
        finished_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        summary = self._judge_run(self._facts(complete=complete, limit=limit, finished_at=finished_at))
        try:
            return self.history.finish(summary) if self.history is not None else summary
        except Exception as error:  # a fault of ours; the verdict is kept without what changed
            return with_error(summary, note_fault(self.plan.run_dir, "noting the run in the history", error))

    def _judge_run(self, facts: RunFacts) -> Summary:
        planned = self.order or [built.case.id for built in self.plan.cases]
        order = [name for name in planned if name in self.verdicts]
        order += [name for name in self.verdicts if name not in planned]
        verdicts = [self.verdicts[name] for name in order]
        try:
            return judge_run(facts, verdicts, self.definitions)
        except Exception as error:  # a fault of ours in the run's own verdict: the cases' verdicts stand
            said = note_fault(self.plan.run_dir, "judging the run", error)
            return judge_run(replace(facts, errors=(*facts.errors, said)), without_measurements(verdicts), {})

    def _facts(self, *, complete: bool, limit: KpiLimit | None, finished_at: str | None) -> RunFacts:
        first = self._manifests[0] if self._manifests else None
        return RunFacts(
            run_id=self.plan.run_id,
            started_at=self.started_at,
            finished_at=finished_at,
            complete=complete and not self.interrupted,
            interrupted=self.interrupted,
            strict=self.plan.strict,
            suite=self.plan.suite,
            lane=self.plan.lane,
            mic="bot" if self.plan.lane == "bot" else self.plan.mic,
            agent=self.bench.scene.agent.about
            if self.bench is not None
            else first.agent
            if first is not None
            else None,
            page=first.page if first is not None else None,
            link=first.link
            if first is not None
            else "none"
            if self.plan.network is None
            else self.plan.network.network,
            errors=tuple(self.errors),
            planned=tuple(self.order or [built.case.id for built in self.plan.cases]),
            environment=_environment(first, self._manifests) if first is not None else {},
            wall_s=round(time.monotonic() - self._started, 1),
            kpi_limit=limit,
            limits=self.plan.limits,
            side_by_side=self.staging.record() if self.staging is not None else None,
        )


def _environment(first: Manifest, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """The run's host and versions; `ears` hashes the listening code, for later comparisons."""
    return {"host": first.host, "versions": {**first.versions, **callers(manifests), "ears": ears_version()}}
