"""A run under way and the history: what `harness.run.run` calls after each attempt and at the end.

The history never stops a call and never changes a verdict by failing to write: what could not be written is tried again
with the next attempt and at the end; the report then names what is still missing and the command that adds it from the run
folder. The database is opened for each piece of work and closed again, so nothing is held while a call is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HistoryError
from harness.history.changes import changes_of
from harness.history.database import History, open_history
from harness.history.environment import case_hash, ears_version, environment_of
from harness.history.promotion import limit_for
from harness.history.reading import read_run
from harness.history.recording import AttemptInfo, RunInfo, finish_run, record_attempt
from harness.judge.promoted import KpiLimit
from harness.model.capture import Manifest
from harness.model.case import Truth
from harness.model.changes import Changes
from harness.model.limits import SHIPPED, Limits
from harness.model.machine import machine_class
from harness.model.verdict import AttemptVerdict, Summary


def check_history(place: str | Path) -> None:
    """Open it once, ahead of the first call, to make, migrate or refuse it. Raises UsageError, HistoryError."""
    with open_history(place):
        pass


@dataclass
class RunHistory:
    """`place`: a file or a URL. `machine`: the user's own name for the class of this machine, if any.

    `problem`: why something is not written. `limit_unknown`: why the limit of USER_KPI could not be read.
    """

    place: str | Path
    suite: str
    folder: Path
    started_at: str
    machine: str | None = None
    problem: str | None = None
    limit_unknown: str | None = None
    limits: Limits = SHIPPED
    _pending: list[tuple[RunInfo, AttemptInfo]] = field(default_factory=list)
    _manifest: Manifest | None = None
    _cases: dict[str, str | None] = field(default_factory=dict)

    def attempt(self, manifest: Manifest, verdict: AttemptVerdict, truth: Truth | None) -> None:
        """Write it now, or keep it for the next time."""
        run = RunInfo(
            manifest, self.started_at, self.suite, str(self.folder.resolve()), ears_version(), self.machine, self.limits
        )
        hashed = case_hash(truth) if truth is not None else None
        self._manifest = self._manifest or manifest
        self._cases[manifest.case_id] = hashed
        self._pending.append((run, AttemptInfo(verdict, manifest.case_id, hashed)))
        self.problem = self._do(self._write_pending)

    def limit(self) -> KpiLimit | None:
        """The limit of a promoted baseline for this run. Failing to read it is an error: to ignore it would loosen a gate."""
        manifest, found = self._manifest, []
        if manifest is None:
            return None
        environment = environment_of(
            lane=manifest.lane,
            mic=manifest.mic,
            link=manifest.link,
            machine=self.machine or machine_class(manifest.host),
            agent=manifest.agent.model_dump(mode="json"),
            page=manifest.page.model_dump(mode="json"),
            versions=manifest.versions,
            ears=ears_version(),
        )

        def read(history: History) -> None:
            with history.reading() as session:
                found.append(limit_for(session, environment, self._cases)[0])

        problem = self._do(read)
        if problem is not None:
            self.limit_unknown = f"{problem}; it is not known whether a promoted baseline limits USER_KPI"
        return found[0] if found else None

    def finish(self, summary: Summary) -> Summary:
        """Write the rest and the run's own verdict; the summary gets the changes, or what could not be written."""
        changes: list[Changes | None] = []

        def write(history: History) -> None:
            self._write_pending(history)
            finish_run(history, summary, ears=ears_version())
            if self._manifest is not None:
                with history.reading() as session:
                    changes.append(changes_of(session, read_run(session, summary.run_id)))

        self.problem = self._do(write)
        if self.problem is not None:
            missing = f"{self.problem}; this run is not, or not wholly, in it: `earwitness history add {self.folder}`"
            return summary.model_copy(update={"not_measured": [*summary.not_measured, missing]})
        found = next(iter(changes), None)
        not_applied = found.notes if found is not None else []
        return summary.model_copy(update={"changes": found, "not_measured": [*summary.not_measured, *not_applied]})

    def _write_pending(self, history: History) -> None:
        while self._pending:
            record_attempt(history, *self._pending[0])
            self._pending.pop(0)

    def _do(self, work: Callable[[History], None]) -> str | None:
        """The history's error, if there was one."""
        try:
            with open_history(self.place) as history:
                work(history)
        except HistoryError as error:
            return str(error)
        return None
