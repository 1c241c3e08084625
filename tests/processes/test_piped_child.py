"""A child that answers somebody who has no event loop: started when it is asked, anew when it is gone, never asked in vain."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.errors import HarnessError
from harness.processes.child import NoAnswerError
from harness.processes.piped_child import PipedChild
from harness.processes.spec import CLOSED_STDIN, ChildSpec

pytestmark = pytest.mark.usefixtures("no_process_left")

WAIT_S = 30.0
ANSWERS = """
import os, sys, time
for line in sys.stdin:
    if line == 'slowly\\n':
        time.sleep(600)
    print(os.getpid(), line, end='', flush=True)
"""


def child() -> PipedChild:
    return PipedChild(
        ChildSpec("the program", [sys.executable, "-c", ANSWERS], stdout="answers", ending=((CLOSED_STDIN, 0.5),))
    )


def asked(process: PipedChild, question: bytes) -> int:
    """The pid that answers."""
    pid, line = process.ask(question, WAIT_S).split(b" ", 1)
    assert line == question
    return int(pid)


def test_one_process_answers_all_questions_and_one_that_was_killed_is_replaced() -> None:
    with child() as process:
        first = asked(process, b"one\n")
        assert asked(process, b"two\n") == first
        descriptor = os.pidfd_open(first)  # becomes readable when it ends, and leaves its status to its parent
        try:
            os.kill(first, signal.SIGKILL)
            assert select.select([descriptor], [], [], WAIT_S)[0]
        finally:
            os.close(descriptor)
        assert asked(process, b"three\n") != first


def test_one_that_leaves_a_question_open_is_ended_and_its_answer_is_not_taken_for_the_next_ones() -> None:
    with child() as process:
        first = asked(process, b"one\n")
        with pytest.raises(NoAnswerError, match=r"gave no answer within 0\.3 s"):
            process.ask(b"slowly\n", 0.3)
        assert not psutil.pid_exists(first)
        assert asked(process, b"two\n") != first


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal; a shell's background job is started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_it_is_asked_ends_the_wait_and_the_process() -> None:
    with child() as process:
        first = asked(process, b"one\n")
        interrupt = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.start()
        began_s = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            process.ask(b"slowly\n", WAIT_S)
        interrupt.join()
        assert time.monotonic() - began_s < WAIT_S / 2
        assert not psutil.pid_exists(first)
        asked(process, b"two\n")


def test_a_program_that_cannot_be_run_is_named_each_time(tmp_path: Path) -> None:
    nothing = ChildSpec("the program", [str(tmp_path / "nothing")], stdout="answers")
    with PipedChild(nothing) as process:
        for _ in range(2):
            with pytest.raises(HarnessError, match="the program cannot be started: No such file or directory"):
                process.ask(b"?\n", WAIT_S)


def test_one_that_was_never_asked_has_no_process_and_no_thread() -> None:
    before = threading.active_count()
    with child():
        assert threading.active_count() == before


@pytest.mark.parametrize("pause_s", [0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.05, 0.3])
def test_another_thread_ends_it_at_any_moment_of_a_question(pause_s: float) -> None:
    """Also while the process starts: what asyncio began for it must not be broken off, or nobody would get an answer."""
    process, said = child(), list[str]()

    def ask() -> None:
        try:
            process.ask(b"slowly\n", WAIT_S)
        except NoAnswerError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(pause_s)
    while asking.is_alive():  # closed before the question began, it opens anew
        process.close()
        asking.join(0.2)
    assert said == ["the program was ended before it answered"]
