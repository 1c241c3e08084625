"""Captures heard in a process of its own: the same record as here, errors in one line, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from harness.errors import HarnessError
from harness.hearing_apart import HearingProcess
from harness.listen.measure import listen
from harness.listen_process import NICENESS
from tests.listen.captures import simple_call

pytestmark = pytest.mark.usefixtures("no_process_left")


def test_a_capture_is_heard_as_it_is_here_by_a_polite_process_and_an_error_does_not_end_it(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    with HearingProcess() as process:
        with pytest.raises(HarnessError, match="nothing"):
            process.hear(tmp_path / "nothing")
        (child,) = [p for p in psutil.Process().children() if "harness.listen_process" in p.cmdline()]
        assert child.nice() == NICENESS
        assert process.hear(folder) == listen(folder)
        assert [p.pid for p in psutil.Process().children() if p.pid == child.pid], "it is the same process"


def test_a_process_that_died_is_replaced_for_the_next_capture(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    with HearingProcess() as process:
        process.hear(folder)
        (child,) = [p for p in psutil.Process().children() if "harness.listen_process" in p.cmdline()]
        child.kill()
        psutil.wait_procs([child], timeout=10)
        assert process.hear(folder).case_id == "made"
