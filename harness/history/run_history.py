"""A run under way and the history: what `harness.suite` calls after each attempt and at the end.

The history never stops a call and never changes a verdict by failing: what could not be written is tried again with the
next attempt and at the end, and what is then still missing is said, with the command that takes it in from the run folder.
The database is opened for each write and closed again, so nothing is held while a call is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HistoryError
from harness.history.database import History, open_history
from harness.history.environment import case_hash, ears_version
from harness.history.recording import AttemptInfo, RunInfo, finish_run, record_attempt
from harness.model.capture import Manifest
from harness.model.case import Truth
from harness.model.verdict import AttemptVerdict, Summary


def check_history(place: str | Path) -> None:
    """Open it once, ahead of the first call: made, migrated, or refused. Raises UsageError, HistoryError."""
    with open_history(place):
        pass


@dataclass
class RunHistory:
    """`place`: a file or a URL. `machine`: the user's own name for the class of this machine, if any."""

    place: str | Path
    suite: str
    folder: Path
    started_at: str
    machine: str | None = None
    problem: str | None = None
    _pending: list[tuple[RunInfo, AttemptInfo]] = field(default_factory=list)

    def attempt(self, manifest: Manifest, verdict: AttemptVerdict, truth: Truth | None) -> None:
        """Written now, or kept for the next time."""
        run = RunInfo(manifest, self.started_at, self.suite, str(self.folder.resolve()), ears_version(), self.machine)
        hashed = case_hash(truth) if truth is not None else None
        self._pending.append((run, AttemptInfo(verdict, manifest.case_id, hashed)))
        self._with_history(self._write_pending)

    def finish(self, summary: Summary) -> Summary:
        """Writes what is left and the run's own verdict; the summary says what could not be written."""

        def write(history: History) -> None:
            self._write_pending(history)
            finish_run(history, summary, ears=ears_version())

        self._with_history(write)
        if self.problem is None:
            return summary
        missing = f"{self.problem}; this run is not, or not wholly, in it: `earwitness history add {self.folder}`"
        return summary.model_copy(update={"not_measured": [*summary.not_measured, missing]})

    def _write_pending(self, history: History) -> None:
        while self._pending:
            record_attempt(history, *self._pending[0])
            self._pending.pop(0)

    def _with_history(self, work: Callable[[History], None]) -> None:
        try:
            with open_history(self.place) as history:
                work(history)
        except HistoryError as error:
            self.problem = str(error)
        else:
            self.problem = None
