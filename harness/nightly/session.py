"""One session of a night, as it writes itself into the ledger."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.model.night import PlannedPart
from harness.model.verdict import AttemptVerdict
from harness.nightly.ledger import LEDGER, Ledger, Line
from harness.nightly.units import Unit


@dataclass(frozen=True)
class Session:
    """`number`: 1 for the first, one more each time the night is resumed."""

    ledger: Ledger
    number: int
    _begun: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        self._append("start")

    def attempt(self, unit: Unit, verdict: AttemptVerdict, took_s: float | None, size: int, peak_bytes: int) -> None:
        """On disk when this returns. Raises OSError."""
        self._append(
            "attempt",
            part=unit.part,
            case=unit.case,
            number=unit.number,
            trace_id=verdict.trace_id,
            status=verdict.status.value,
            took_s=took_s,
            bytes=size,
            peak_bytes=peak_bytes or None,
        )

    def part(self, part: PlannedPart, status: str, text: str, **more: Any) -> Line:
        """`more`: code and report of a step, not_in_history of a run."""
        return self._append("part", part=part.id, status=status, text=text, **more)

    def stop(self, why: str, peak_bytes: int) -> None:
        self._append("stop", text=why, peak_bytes=peak_bytes or None)

    def _append(self, what: Literal["start", "attempt", "part", "stop"], **more: Any) -> Line:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        elapsed_s = round(time.monotonic() - self._begun, 1)
        line = Line(what=what, at=at, session=self.number, session_s=elapsed_s, **more)
        self.ledger.append(line)
        return line


def open_session(folder: Path) -> Session:
    """The next session of the night in `folder`. Raises OSError."""
    ledger = Ledger(folder / LEDGER)
    return Session(ledger, 1 + max((line.session for line in ledger.read().lines), default=0))
