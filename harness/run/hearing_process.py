"""Hear captures in a process of its own, at low priority, so that no call beside it is heard worse for it.

Hearing is one to two seconds of one core a capture. In a thread of the measuring process it would hold the interpreter's lock
against the event loop that carries the calls; so with sessions side by side it is done elsewhere, one capture at a time, and (by
the governor) only while nothing is measured: niceness alone does not keep caches and memory bandwidth free. The capture
folder is all that passes between. A context manager; the process starts at the first capture. What it prints, tracebacks
of faults above all, is in `log_path`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.model.capture import MEASUREMENT
from harness.model.measurement import Measurement
from harness.processes.child import NoAnswerError
from harness.processes.piped_child import PipedChild
from harness.processes.spec import BY_STDIN, ChildSpec

HEAR_TIMEOUT_S = 180.0
LISTENER = [sys.executable, "-P", "-m", "harness.run.listen_process"]
EARS_LOG = Path("logs") / "ears.log"  # in the run's folder


class HearingProcess:
    """`hear` blocks: call it from a thread, one capture at a time."""

    def __init__(self, log_path: Path) -> None:
        self.log_path = log_path
        name = "the process that hears captures"
        spec = ChildSpec(name, LISTENER, log_path, stdout="answers", ending=BY_STDIN, own_session=False)
        self._process = PipedChild(spec)

    def __enter__(self) -> HearingProcess:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def hear(self, folder: Path) -> Measurement:
        """The capture's measurement, which is in its folder too. Raises HarnessError."""
        answer = self._ask(folder)
        if "fault" in answer:
            said = f"a fault of Earwitness while hearing {folder.name}: {answer['fault']}"
            raise HarnessError(f"{said} (traceback: {self.log_path})")
        if "error" in answer:
            raise HarnessError(answer["error"])
        try:
            return Measurement.model_validate_json((folder / MEASUREMENT).read_bytes())
        except (OSError, ValidationError) as error:
            raise HarnessError(f"{folder / MEASUREMENT}: cannot be read: {error}") from error

    def _ask(self, folder: Path) -> dict[str, str]:
        question = json.dumps(str(folder.resolve())).encode() + b"\n"
        try:
            return dict(json.loads(self._process.ask(question, HEAR_TIMEOUT_S)))
        except NoAnswerError as error:
            raise HarnessError(f"{folder}: {error}; see {self.log_path}") from error
        except ValueError as error:
            self.close()
            what = f"said something else than an answer: {error}"
            raise HarnessError(f"{folder}: the process that hears captures {what}; see {self.log_path}") from error

    def close(self) -> None:
        """End the process; it has nothing that could be lost."""
        self._process.close()
