"""A night from its first part to its verdict: finished attempts are recalled, missing ones are played, once.

Each session (the first, and one each time the night is resumed) goes through the parts in order. An attempt enters the
ledger when it is measured; its capture is the truth. Nothing is repeated to pass. A night ends early by Ctrl-C or for want
of disk space; then it reports its finished attempts, and says how to go on.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import EarwitnessError, HarnessError, UsageError
from harness.model.night import Night, PartResult, PlannedPart
from harness.model.plan import BuiltCase
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict, Summary
from harness.nightly import folder as place
from harness.nightly.conclusion import Played, conclude, part_result, unreported
from harness.nightly.late_history import how_to_take_in, take_in
from harness.nightly.layout import plan_parts, settings_of
from harness.nightly.ledger import attempts_in
from harness.nightly.memory import used_bytes
from harness.nightly.part_run import PartRun
from harness.nightly.plan_file import NightPlan
from harness.nightly.progress import Estimate, NightProgress
from harness.nightly.session import Session
from harness.nightly.steps import do_step, new_place
from harness.nightly.units import Unit, remaining, units_of
from harness.nightly.webm import still_to_measure, webm_of_part
from harness.run.open import open_run, run_history
from harness.run.plan import make_plan
from harness.run.rejudge import read_summary
from harness.run.sent_traces import sent_run
from harness.settings import Settings

log = logging.getLogger(__name__)

DISK_FULL, DISK_LIMIT = "DISK_FULL", "DISK_LIMIT"
INTERRUPTED, HARNESS_ERROR = "INTERRUPTED", "HARNESS_ERROR"
UNDER_WAY = "UNDER_WAY: the night is at work, or was killed"
ATTEMPT_LIMIT_S = 900.0  # the longest case over the worst network takes about two minutes
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

OpenRun = Callable[..., AbstractAsyncContextManager[Any]]


class NightStoppedError(HarnessError):
    """The night cannot go on now; what was recorded is kept, and it can be resumed."""


@dataclass
class NightRun:
    """One session of a night. `cases`: all its cases by name; `make_room`: frees disk space, if it can."""

    folder: Path
    night: Night
    plan: NightPlan
    settings: Settings
    cases: Mapping[str, BuiltCase]
    progress: NightProgress
    session: Session
    make_room: Callable[[], list[str]] = list
    open_run: OpenRun = open_run
    estimate: Estimate = field(default_factory=Estimate)
    results: list[PartResult] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    peak_bytes: int = 0
    _left: dict[str, list[Unit]] = field(default_factory=dict)
    _used_bytes: int = 0  # size of the runs' folder

    async def run(self) -> Night:
        """The night with its result. Raises NightStoppedError if not even that can be written."""
        stopped, interrupted = "", False
        try:
            self._begin()
            for part in self.night.parts:
                if not part.left_out:
                    await (self._cases(part) if part.kind == "cases" else self._step(part))
                    await asyncio.to_thread(
                        conclude, self._played(), stopped=UNDER_WAY, interrupted=False
                    )  # stays after a kill
        except asyncio.CancelledError:
            stopped, interrupted = f"{INTERRUPTED}: by the user", True
        except NightStoppedError as error:
            stopped = str(error)
        except OSError as error:
            stopped = _in_words(error, self.folder)
        except EarwitnessError as error:
            stopped = f"{HARNESS_ERROR}: {error}"
        except Exception as error:  # a fault of ours must not cost a night its report; it is named and exits with 3
            log.exception("night %s", self.night.night_id)
            stopped = f"{HARNESS_ERROR}: {type(error).__name__}: {error}"
        if not stopped:
            self.progress.note("giving disk back")
            self.notes += await asyncio.to_thread(self.make_room)
        with suppress(OSError):  # a full disk may have no room for the reason
            self.session.stop(stopped or "done", self.peak_bytes)
        try:
            return await asyncio.to_thread(conclude, self._played(), stopped=stopped, interrupted=interrupted)
        except OSError as error:
            raise NightStoppedError(stopped or _in_words(error, self.folder)) from error

    def _played(self) -> Played:
        return Played(
            folder=self.folder,
            night=self.night,
            session=self.session,
            results=tuple(self.results),
            summaries=tuple(self.summaries),
            notes=tuple(self.notes),
            peak_bytes=self.peak_bytes,
            strict=self.settings.strict,
        )

    def _begin(self) -> None:
        read = self.session.ledger.read()
        if read.damaged:
            self.notes.append(f"{place.NIGHT}l: line {read.damaged[0]} cannot be read; the captures say what was done")
        for part in self.night.parts:
            units = units_of(part.id, part.cases, part.turns)
            self._left[part.id] = remaining(units, attempts_in(read.lines))
        self._used_bytes = place.size_bytes(self.folder.parent)
        self.session.start()

    # cases

    async def _cases(self, part: PlannedPart) -> None:
        own = settings_of(plan_parts(self.plan)[part.id], part, self.settings, self.folder)
        finished = self._finished(part)
        if finished is not None:
            summary, missing = finished
            self._left[part.id] = []
            missing = await asyncio.to_thread(take_in, own, self.folder / part.folder) if missing else ""
            await asyncio.to_thread(self._add_result, part, summary, missing)
            return
        built = tuple(self.cases[name] for name in part.cases)
        plan = make_plan(own, built, resumed=part.run_id)
        run = PartRun(plan, history=run_history(plan, own))
        verdicts: dict[str, list[AttemptVerdict]] = {}
        try:
            await asyncio.to_thread(self._recall, part, run, verdicts)
            await self._play_all(part, run, own, verdicts)
        except (asyncio.CancelledError, NightStoppedError, OSError) as error:
            run.interrupted = isinstance(error, asyncio.CancelledError)
            try:
                await asyncio.to_thread(self._close, part, run, verdicts)
            except OSError as why:  # a full disk keeps no report; the night's end names its reason
                self.results.append(unreported(part, verdicts, why))
            raise
        await asyncio.to_thread(self._close, part, run, verdicts)
        if line := await sent_run(self.summaries[-1], plan.run_dir, plan.otlp):
            self.progress.note(f"{part.id}: {line}")

    def _finished(self, part: PlannedPart) -> tuple[Summary, str] | None:
        """The summary of a part that an earlier session finished, and what the history lacked of it then."""
        lines = [line for line in self.session.ledger.read().lines if line.what == "part" and line.part == part.id]
        if not lines:
            return None
        try:
            summary = read_summary(self.folder / part.folder)
        except UsageError:
            return None
        return (summary, lines[-1].not_in_history) if summary.complete else None

    def _recall(self, part: PlannedPart, run: PartRun, verdicts: dict[str, list[AttemptVerdict]]) -> None:
        """Recall earlier sessions' attempts, and set a killed attempt aside."""
        noted = attempts_in(self.session.ledger.read().lines)
        captures = run.plan.run_dir / place.CAPTURES
        left: list[Unit] = []
        for unit in units_of(part.id, part.cases, part.turns):
            capture = captures / unit.trace_id(part.run_id)
            manifest = place.finished(capture)
            if manifest is None:
                aside = place.set_aside(capture, run.plan.run_dir.parent / place.BROKEN_OFF)
                if unit in noted and aside is None:
                    self.notes.append(f"{capture.name}: was played, but its capture is gone; it is played again")
                left.append(unit)
                continue
            self.progress.note(f"recalling {capture.name}")
            verdict = run.recall(self.cases[unit.case], capture, manifest)
            verdicts.setdefault(unit.case, []).append(verdict)
            if unit not in noted:
                self.session.attempt(unit, verdict, None, place.size_bytes(capture), self.peak_bytes)
        self._left[part.id] = left

    async def _play_all(
        self, part: PlannedPart, run: PartRun, own: Settings, verdicts: dict[str, list[AttemptVerdict]]
    ) -> None:
        """Play the rest of the part, on another bench if the media server is lost, as long as calls succeed."""
        while self._left[part.id]:
            before = len(self._left[part.id])
            self._check_disk()
            try:
                async with self.open_run(run.plan, own, run=run, on_note=self.progress.note):
                    await self._play(part, run, verdicts)
            except NightStoppedError:
                raise
            except EarwitnessError as error:
                run.errors.append(str(error))
                return
            if self._left[part.id] and len(self._left[part.id]) == before:
                run.errors.append("the media server ended before a single call was made")
                return

    async def _play(self, part: PlannedPart, run: PartRun, verdicts: dict[str, list[AttemptVerdict]]) -> None:
        loop = asyncio.get_running_loop()
        while self._left[part.id]:
            self._check_disk()
            unit = self._left[part.id][0]
            begun = loop.time()
            verdict = await self._in_time(unit, run.play(self.cases[unit.case], unit.number, self._phase(unit)))
            capture = run.plan.run_dir / verdict.folder
            self._must_be_whole(capture)
            took_s = loop.time() - begun
            size = await asyncio.to_thread(place.size_bytes, capture)
            self._used_bytes += size
            self.session.attempt(unit, verdict, round(took_s, 1), size, self.peak_bytes)
            verdicts.setdefault(unit.case, []).append(verdict)
            del self._left[part.id][0]
            self._tell(unit, verdict, took_s)
            if run.bench is not None and run.bench.broken is not None:
                self.notes.append(f"{verdict.trace_id}: {run.bench.broken}; the part went on with another")
                return

    async def _in_time(self, unit: Unit, attempt: Coroutine[Any, Any, AttemptVerdict]) -> AttemptVerdict:
        """A last limit: every known wait of an attempt has its own."""
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT_S) as limit:
                return await attempt
        except TimeoutError as error:
            if not limit.expired():  # one of the attempt's own limits
                raise
            what = f"{unit.part} {unit.case} {unit.number} did not end within {ATTEMPT_LIMIT_S:.0f} s"
            raise NightStoppedError(
                f"{HARNESS_ERROR}: {what}; it is not counted, and played again when resumed"
            ) from error

    def _phase(self, unit: Unit) -> Callable[[str], None]:
        loop = asyncio.get_running_loop()

        def enter(phase: str) -> None:
            self.progress.note(f"{unit.part} {unit.case} {unit.number}: {phase}")
            if phase == "leave":  # the call is over, and its processes still run
                loop.run_in_executor(None, self._look_at_memory)

        return enter

    def _look_at_memory(self) -> None:
        self.peak_bytes = max(self.peak_bytes, used_bytes())

    def _tell(self, unit: Unit, verdict: AttemptVerdict, took_s: float) -> None:
        self.estimate.add(unit.part, took_s)
        left = {name: len(units) for name, units in self._left.items()}
        total = sum(part.planned for part in self.night.parts)
        begun = {result.id for result in self.results}
        steps = sum(p.kind != "cases" and p.id not in begun and not p.left_out for p in self.night.parts)
        done = total - sum(left.values())
        self.progress.attempt(unit, verdict, took_s, done, total, self.estimate.left_s(left, steps))

    def _close(self, part: PlannedPart, run: PartRun, verdicts: dict[str, list[AttemptVerdict]]) -> None:
        """Write the part's verdict and report."""
        self.progress.note(f"{part.id}: report")
        summary = run.conclude(verdicts, complete=not self._left[part.id])
        problem = run.history.problem if run.history is not None else None
        missing = how_to_take_in(problem, run.plan.run_dir) if problem else ""
        self._add_result(part, summary, missing)
        if summary.complete:
            self.session.part(part, summary.status.value, summary.headline, not_in_history=missing)

    def _add_result(self, part: PlannedPart, summary: Summary, missing: str) -> None:
        self.summaries.append(summary)
        result = part_result(self.folder, part, summary, missing)
        if summary.complete:  # an interrupted part's webm can wait until the part resumes
            cases = still_to_measure(part, self.results)
            webm = webm_of_part(self.folder / part.folder, summary, cases, self.progress.note)
            result = result.model_copy(update={"webm": webm})
        self.results.append(result)

    # steps

    async def _step(self, part: PlannedPart) -> None:
        lines = self.session.ledger.read().lines
        done = next((line for line in lines if line.what == "part" and line.part == part.id), None)
        if done is None:
            self._check_disk()
            try:
                own = new_place(self.folder / part.folder)
                self.progress.note(f"{part.id}: {part.about}")
                self.progress.say(f"{part.id}: {part.about}")
                found = await do_step(part, own, lambda text: self.progress.say(f"  {text}"))
                code, text, report = found.exit_code, found.text, found.report.relative_to(self.folder).as_posix()
            except EarwitnessError as error:
                code, text, report = error.exit_code, str(error), ""
            status = {0: Status.PASS, 1: Status.FAIL}.get(code, Status.NO_DATA)
            done = self.session.part(part, status.value, text, code=code, report=report)
        self.results.append(
            PartResult(
                id=part.id,
                status=Status(done.status),
                exit_code=done.code or 0,
                headline=done.text,
                report=done.report,
            )
        )

    # disk

    def _check_disk(self) -> None:
        """Raises NightStoppedError before a call that the disk could not hold."""
        problem = self._disk_problem()
        if problem:
            self.notes += self.make_room()
            self._used_bytes = place.size_bytes(self.folder.parent)
            problem = self._disk_problem()
        if problem:
            raise NightStoppedError(f"{problem}; make room, then resume")

    def _disk_problem(self) -> str:
        keep, runs = self.plan.keep, self.folder.parent
        free = shutil.disk_usage(self.folder).free
        if free < keep.reserve_mb * 2**20:
            wanted = f"{keep.reserve_mb:g} MB are wanted ahead of a call (keep.reserve_mb)"
            return f"{DISK_FULL}: {free / 2**20:.0f} MB are free where {self.folder} lies, {wanted}"
        if keep.disk_limit_gb is not None and self._used_bytes > keep.disk_limit_gb * 1e9:
            used = f"{runs} takes {self._used_bytes / 1e9:.2f} GB"
            return f"{DISK_LIMIT}: {used}, {keep.disk_limit_gb:g} GB are allowed (keep.disk_limit_gb)"
        return ""

    def _must_be_whole(self, capture: Path) -> None:
        """Raises NightStoppedError if the attempt was not written completely: it does not count, and is played again."""
        manifest = place.finished(capture)
        if manifest is None or not (capture / "measurement.json").is_file():
            raise NightStoppedError(f"{DISK_FULL}: {capture} could not be written as a whole; make room, then resume")


def _in_words(error: OSError, folder: Path) -> str:
    where = error.filename
    if error.errno not in NO_SPACE and where is None:  # of a socket, not of a file
        return f"{HARNESS_ERROR}: {type(error).__name__}: {error}"
    name = DISK_FULL if error.errno in NO_SPACE else "DISK_ERROR"
    return f"{name}: {error.strerror or error} ({where or folder}); what was recorded is kept: make room, then resume"
