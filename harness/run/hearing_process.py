"""Measure captures in a separate process, at low priority, so that calls under way beside it are not disturbed.

A capture takes one to two seconds of one core. In a thread of the calling process this work would hold the interpreter's lock
against the event loop that carries the calls. With sessions side by side it runs here, one capture at a time, and (by the
governor) only while no call is measured: niceness alone does not keep caches and memory bandwidth free. Only the capture
folder passes between the processes. A context manager; the process starts at the first capture. Its output, tracebacks of
faults above all, is in `log_path`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.model.capture import MEASUREMENT
from harness.model.measurement import Measurement
from harness.model.plan import RecogniserSpec
from harness.processes.child import NoAnswerError
from harness.processes.piped_child import PipedChild
from harness.processes.spec import BY_STDIN, ChildSpec

HEAR_TIMEOUT_S = 180.0
RECOGNISE_TIMEOUT_S = (
    420.0  # on top: half a second a reply as a rule, two where words seem lost, on a busy machine more
)
LISTENER = [sys.executable, "-P", "-m", "harness.run.listen_process"]
EARS_LOG = Path("logs") / "ears.log"  # in the run's folder


class HearingProcess:
    """`hear` blocks: call it from a thread, one capture at a time."""

    def __init__(self, log_path: Path, recogniser: RecogniserSpec | None = None) -> None:
        self.log_path = log_path
        self._recogniser = None if recogniser is None else asdict(recogniser)
        self._timeout_s = HEAR_TIMEOUT_S + (RECOGNISE_TIMEOUT_S if recogniser is not None else 0.0)
        name = "the process that hears captures"
        spec = ChildSpec(name, LISTENER, log_path, stdout="answers", ending=BY_STDIN, own_session=False)
        self._process = PipedChild(spec)

    def __enter__(self) -> HearingProcess:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def hear(self, folder: Path) -> Measurement:
        """The capture's measurement, also written to its folder. Raises HarnessError."""
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
        about = {"folder": str(folder.resolve()), "recogniser": self._recogniser}
        question = json.dumps(about).encode() + b"\n"
        try:
            return dict(json.loads(self._process.ask(question, self._timeout_s)))
        except NoAnswerError as error:
            raise HarnessError(f"{folder}: {error}; see {self.log_path}") from error
        except ValueError as error:
            self.close()
            what = f"said something else than an answer: {error}"
            raise HarnessError(f"{folder}: the process that hears captures {what}; see {self.log_path}") from error

    def close(self) -> None:
        """End the process, which holds nothing unsaved."""
        self._process.close()
