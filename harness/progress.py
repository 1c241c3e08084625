"""What a person sees while a run works: which case, which phase, how long.

In a terminal one live line (rich); otherwise a plain line when a case ends, and a heartbeat at most every
HEARTBEAT_S, so that a build log shows life. Knows nothing of how a run works; it is told.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.status import Status as Spinner

from harness.model.status import Status
from harness.model.verdict import CaseVerdict

HEARTBEAT_S = 15.0
COLOURS = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.FLAKY: "red",
    Status.NO_DATA: "magenta",
    Status.INVALID: "magenta",
    Status.NOT_APPLIED: "magenta",
    Status.NOT_APPLICABLE: "dim",
}


class Progress:
    """A context manager; its methods are the callbacks of `run_plan`."""

    def __init__(self, console: Console, n_cases: int) -> None:
        self.console, self.n_cases = console, n_cases
        self._spinner: Spinner | None = None
        self._what, self._phase = "starting", ""
        self._since = self._spoke = time.monotonic()
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._spinner = self.console.status("starting")
            self._spinner.start()
        self._heart.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._heart.join()
        if self._spinner is not None:
            self._spinner.stop()

    def note(self, note: str) -> None:
        self._enter(f"starting: {note}", "")

    def case(self, name: str, index: int) -> None:
        self._enter(f"[{index + 1}/{self.n_cases}] {name}", "join")
        self._since = time.monotonic()

    def phase(self, phase: str) -> None:
        self._enter(self._what, phase)

    def verdict(self, verdict: CaseVerdict) -> None:
        colour = COLOURS[verdict.status]
        seconds = time.monotonic() - self._since
        reason = f"  {verdict.reason}" if verdict.reason and verdict.status is not Status.PASS else ""
        self.console.print(
            f"[{colour}]{verdict.status.value:>8}[/]  {verdict.case_id}  [dim]{seconds:.1f} s[/]", end=""
        )
        self.console.print(reason, markup=False, highlight=False)
        self._spoke = time.monotonic()

    def _enter(self, what: str, phase: str) -> None:
        self._what, self._phase = what, phase
        if self._spinner is not None:
            self._spinner.update(f"{what}  [dim]{phase}[/]")

    def _beat(self) -> None:
        while not self._stop.wait(1.0):
            now = time.monotonic()
            if self._spinner is not None:
                self._spinner.update(f"{self._what}  [dim]{self._phase}  {now - self._begun:.0f} s[/]")
            elif now - self._spoke >= HEARTBEAT_S - 1.0:
                line = f"… {self._what} {self._phase}, {now - self._begun:.0f} s since the start"
                self.console.print(line, markup=False, highlight=False)
                self._spoke = now
