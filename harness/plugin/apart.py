"""The plugin where a package of the user's repository has the name of one of ours: a separate process plays the run.

Each process can then import its own package. All selected cases start at once; each test waits for its own verdict.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import EarwitnessError
from harness.model.verdict import CaseVerdict, Summary
from harness.processes.child import Child
from harness.processes.loop_thread import STOP_TIMEOUT_S, LoopThread
from harness.processes.spec import CLOSED_STDIN, ChildSpec
from harness.run.rejudge import read_summary
from harness.run.written_run import SUMMARY

ARGV = (sys.executable, "-P", "-m", "harness.plugin.apart_process")
SPEC = ChildSpec(
    "the process of the run", ARGV, stdout="lines", awaited=b'{"say"', ending=((CLOSED_STDIN, STOP_TIMEOUT_S),)
)


class Apart:
    """`verdict_of` blocks until a case is judged, and raises what ended the run; `stop` breaks off the rest."""

    def __init__(self, flags: Mapping[str, Any], folder: Path, cases: Sequence[Path], loop: LoopThread) -> None:
        """Raises EarwitnessError if the run cannot be begun."""
        self._loop = loop
        self._n_cases = len(cases)
        self._judged: set[str] = set()
        self._over: str | None = None  # why no more are judged
        self.run_dir: Path | None = None
        self.strict = False
        self.limits = self.jobs_why = self.sent = ""
        self._child: Child = loop.wait(Child.start(SPEC))
        wanted = {"flags": dict(flags), "folder": str(folder), "cases": [str(path) for path in cases]}
        loop.wait(self._tell(json.dumps(wanted).encode() + b"\n"))
        while self.run_dir is None:
            if self._over is not None:
                raise EarwitnessError(self._over)
            self._take(loop.wait(self._child.next_line()))

    async def _tell(self, line: bytes) -> None:
        self._child.say(line)

    def verdict_of(self, case_id: str) -> CaseVerdict:
        """Raises EarwitnessError."""
        while case_id not in self._judged and self._over is None:
            self._take(self._loop.wait(self._child.next_line()))
        summary = self.summary()
        for verdict in summary.cases if summary is not None else ():
            if verdict.case_id == case_id:
                return verdict
        raise EarwitnessError(f"the run is over: {self._over}")

    def _take(self, line: bytes) -> None:
        said = json.loads(line) if line else {"say": "over", "why": f"its process ended: {self._child.log_tail()}"}
        if said["say"] == "begun":
            self.run_dir, self.strict = Path(said["run_dir"]), bool(said["strict"])
            self.limits, self.jobs_why = said["limits"], said["jobs_why"]
        elif said["say"] == "judged":
            self._judged.add(said["case"])
        elif said["say"] == "sent":
            self.sent = said["how"]
        else:
            self._over = said["why"]

    def summary(self) -> Summary | None:
        """The summary in the run's folder; None before the first case was judged."""
        if self.run_dir is None or not (self.run_dir / SUMMARY).is_file():
            return None
        return read_summary(self.run_dir)

    def stop(self) -> None:
        """End the run, and wait until its whole report is written. Raises TimeoutError."""
        self._loop.wait_in_order(self._stop(), 3 * STOP_TIMEOUT_S)

    async def _stop(self) -> None:
        try:
            if len(self._judged) == self._n_cases:  # no case is under way: the run writes its report
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    while self._over is None:
                        self._take(await self._child.next_line())
        finally:
            await self._child.stop()
