"""Hear captures in a process of its own, at low priority, so that no call beside it is heard worse for it.

Hearing is one to two seconds of one core a capture. In a thread of the measuring process it would hold the interpreter's lock
against the event loop that carries the calls; so with sessions side by side it is done elsewhere, one capture at a time, and (by
the governor) only while nothing is measured: niceness alone does not keep caches and memory bandwidth free. The capture
folder is all that passes between. A context manager; the process starts at the first capture. What it prints, tracebacks
of faults above all, is in `log_path`.
"""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.model.capture import MEASUREMENT
from harness.model.measurement import Measurement
from harness.processes.piped_child import end_child

HEAR_TIMEOUT_S = 180.0
LISTENER = [sys.executable, "-P", "-m", "harness.run.listen_process"]
EARS_LOG = Path("logs") / "ears.log"  # in the run's folder


class _NoAnswerError(ValueError):
    """Says what became of the process."""


class HearingProcess:
    """`hear` blocks: call it from a thread, one capture at a time."""

    def __init__(self, log_path: Path) -> None:
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

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
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(str(folder.resolve())).encode() + b"\n")
            process.stdin.flush()
            line = self._answer(process)
            return dict(json.loads(line))
        except (BrokenPipeError, ValueError) as error:
            what = str(error) if isinstance(error, _NoAnswerError) else f"ended: {error}"
            self.close()
            raise HarnessError(f"{folder}: the process that hears captures {what}; see {self.log_path}") from error

    def _answer(self, process: subprocess.Popen[bytes]) -> bytes:
        """One line. Answers come one at a time, so what can be read is the whole of one."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(HEAR_TIMEOUT_S):
                process.kill()
                process.wait()
                raise _NoAnswerError(f"gave no answer within {HEAR_TIMEOUT_S:.0f} s and was ended")
        line = process.stdout.readline()
        if not line:
            raise _NoAnswerError(f"ended with status {process.wait()}")
        return line

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            with self.log_path.open("ab") as log:
                # a process group of its own: Ctrl-C is for the run, which then still wants to hear what was recorded
                self._process = subprocess.Popen(
                    LISTENER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, process_group=0
                )
        return self._process

    def close(self) -> None:
        """End the process; it has nothing that could be lost."""
        if self._process is None:
            return
        process, self._process = self._process, None
        end_child(process)
