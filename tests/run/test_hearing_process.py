"""Captures heard in a process of its own: the same record as here, errors in one line, nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import HarnessError
from harness.listen.measure import listen
from harness.model.capture import HEARD_WORDS
from harness.model.heard_words import HeardWords
from harness.model.plan import RecogniserSpec
from harness.run.hearing_process import HearingProcess
from harness.run.listen_process import NICENESS
from tests.listen.captures import simple_call

pytestmark = pytest.mark.usefixtures("no_process_left")


def test_a_capture_is_heard_as_it_is_here_by_a_polite_process_and_an_error_does_not_end_it(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    with HearingProcess(tmp_path / "ears.log") as process:
        with pytest.raises(HarnessError, match="nothing"):
            process.hear(tmp_path / "nothing")
        (child,) = [p for p in psutil.Process().children() if "harness.run.listen_process" in p.cmdline()]
        assert child.nice() == NICENESS
        assert process.hear(folder) == listen(folder)
        assert [p.pid for p in psutil.Process().children() if p.pid == child.pid], "it is the same process"


def test_the_process_also_recognises_the_words_and_says_why_where_it_cannot(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    with HearingProcess(tmp_path / "ears.log", RecogniserSpec(model=str(tmp_path))) as process:
        assert process.hear(folder) == listen(folder)
    record = HeardWords.model_validate_json((folder / HEARD_WORDS).read_bytes())
    assert "is no Whisper model" in record.skipped or "CTranslate2 is not installed" in record.skipped


def test_a_process_that_died_is_replaced_for_the_next_capture(tmp_path: Path) -> None:
    folder = simple_call().write(tmp_path / "c")
    with HearingProcess(tmp_path / "ears.log") as process:
        process.hear(folder)
        (child,) = [p for p in psutil.Process().children() if "harness.run.listen_process" in p.cmdline()]
        child.kill()
        psutil.wait_procs([child], timeout=10)
        assert process.hear(folder).case_id == "made"


FAULTY = """
import harness.listen.measure as measuring
real = measuring.measure
def one_metric(heard, **options):
    if heard.folder.name == "hard":
        raise ValueError("cannot reshape array of size 0")
    return real(heard, **options)
measuring.measure = one_metric
from harness.run.listen_process import main
main()
"""


def test_a_fault_of_ours_in_one_capture_is_named_with_its_traceback_in_the_log_and_the_next_one_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard, good = (simple_call().write(tmp_path / name) for name in ("hard", "good"))
    monkeypatch.setattr("harness.run.hearing_process.LISTENER", [sys.executable, "-c", FAULTY])
    log = tmp_path / "run" / "logs" / "ears.log"
    with HearingProcess(log) as process:
        with pytest.raises(HarnessError) as told:
            process.hear(hard)
        assert process.hear(good).case_id == "made"
    said = "a fault of Earwitness while hearing hard: ValueError: cannot reshape array of size 0"
    assert str(told.value) == f"{said} (traceback: {log})"
    assert "in one_metric" in log.read_text()


def test_a_process_that_ends_in_the_middle_says_where_its_last_words_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = "import sys; sys.stdin.readline(); sys.exit('no memory is left')"
    monkeypatch.setattr("harness.run.hearing_process.LISTENER", [sys.executable, "-c", dies])
    log = tmp_path / "ears.log"
    with HearingProcess(log) as process, pytest.raises(HarnessError, match=f"ended with status 1; see {log}"):
        process.hear(tmp_path / "c")
    assert "no memory is left" in log.read_text()
