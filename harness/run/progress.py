"""The progress display of a run: which case, which phase, how long.

A terminal shows one live line (rich) for all cases under way; a build log gets a plain line when a case ends, and a heartbeat
at most every HEARTBEAT_S. It knows nothing of how a run works: callbacks report to it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status as Spinner

from harness.judge.degraded import degraded_in_words
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


@dataclass
class _UnderWay:
    index: int  # place in the plan
    phase: str
    since_s: float


class Progress:
    """A context manager; its methods are the callbacks of `run_plan`."""

    def __init__(self, console: Console, n_cases: int) -> None:
        self.console, self.n_cases = console, n_cases
        self._spinner: Spinner | None = None
        self._starting = "starting"
        self._cases: dict[str, _UnderWay] = {}
        self._spoke = self._begun = time.monotonic()
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
        if self._cases:
            self.console.print(note, style="dim", markup=False, highlight=False)
        else:
            self._starting = f"starting: {note}"
        self._show()

    def case(self, name: str, index: int) -> None:
        self._cases[name] = _UnderWay(index, "join", time.monotonic())
        self._show()

    def phase(self, case: str, phase: str) -> None:
        if case in self._cases:
            self._cases[case].phase = phase
        self._show()

    def verdict(self, verdict: CaseVerdict) -> None:
        colour = COLOURS[verdict.status]
        under_way = self._cases.pop(verdict.case_id, None)
        seconds = time.monotonic() - (under_way.since_s if under_way is not None else self._begun)
        reason = f"  {verdict.reason}" if verdict.reason and verdict.status is not Status.PASS else ""
        degraded = degraded_in_words(verdict.attempts)
        reason += f"  {degraded}" if degraded else ""
        self.console.print(
            f"[{colour}]{verdict.status.value:>8}[/]  {verdict.case_id}  [dim]{seconds:.1f} s[/]", end=""
        )
        self.console.print(reason, markup=False, highlight=False)
        self._spoke = time.monotonic()
        self._starting = "finishing"  # unless another case begins

    def line(self) -> str:
        """What is under way: one case with its number, or several cases."""
        cases = sorted(self._cases.items(), key=lambda item: item[1].index)
        if not cases:
            return self._starting
        numbers = ", ".join(str(at.index + 1) for _, at in cases)
        return f"[{numbers}/{self.n_cases}] " + " · ".join(f"{name} {at.phase}" for name, at in cases)

    def _show(self) -> None:
        if self._spinner is not None:
            seconds = time.monotonic() - self._begun
            self._spinner.update(f"{escape(self.line())}  [dim]{seconds:.0f} s[/]")

    def _beat(self) -> None:
        while not self._stop.wait(1.0):
            now = time.monotonic()
            if self._spinner is not None:
                self._show()
            elif now - self._spoke >= HEARTBEAT_S - 1.0:
                line = f"… {self.line()}, {now - self._begun:.0f} s since the start"
                self.console.print(line, markup=False, highlight=False)
                self._spoke = now
