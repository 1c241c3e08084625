"""A child process: it can always write, what it said last is known, and nothing of it is left. Real processes throughout."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from harness.errors import HarnessError
from harness.processes import child as child_module
from harness.processes import said
from harness.processes.child import Child, NoAnswerError, running
from harness.processes.spec import BY_STDIN, ChildSpec

pytestmark = pytest.mark.usefixtures("no_process_left")

WAIT_S = 30.0
QUICKLY_S = 4.0  # far below the time that a child gets to end; beside other work
SLEEPS = "import time; time.sleep(600)"
IN_ITS_OWN_SESSION = f"subprocess.Popen([sys.executable, '-c', '{SLEEPS}'], start_new_session=True)"
Result = TypeVar("Result")


def python(code: str, log: Path | None, **more: Any) -> ChildSpec:
    return ChildSpec("the program", [sys.executable, "-u", "-c", code], log, **{"stdout": "lines", **more})


async def soon(work: Awaitable[Result], within_s: float = WAIT_S) -> Result:
    async with asyncio.timeout(within_s):
        return await work


# what it says


async def test_a_process_that_says_much_after_its_ready_line_is_never_blocked(tmp_path: Path) -> None:
    chatter = "print('ready'); [print('x' * 99) for _ in range(3000)]; import sys; sys.stdin.read(1)"
    spec = python(f"{chatter}; print('more'); sys.exit(7)", tmp_path / "agent.log")
    async with running(spec) as child:
        assert await soon(child.next_line()) == b"ready\n"
        child.log_the_rest()
        child.say(b"g")
        assert await soon(child.ended()) == 7
    log = (tmp_path / "agent.log").read_text()
    assert log.count("x" * 99) == 3000
    assert log.endswith("more\n")


async def test_a_process_whose_lines_nobody_reads_goes_on_and_all_is_in_its_log(tmp_path: Path) -> None:
    async with running(python("[print(n, 'y' * 99) for n in range(3000)]", tmp_path / "agent.log")) as child:
        await soon(child.ended())
        while await soon(child.next_line()):
            pass
    assert len((tmp_path / "agent.log").read_text().splitlines()) >= 3000 - said.LINES_KEPT


async def test_a_process_that_ends_without_a_word_gives_no_line(tmp_path: Path) -> None:
    async with running(python("", tmp_path / "agent.log")) as child:
        assert await soon(child.next_line()) == b""


@pytest.mark.parametrize("before", ["print('z' * 1_000_000)", "[print('z' * 99) for _ in range(10_000)]"])
async def test_a_megabyte_before_the_ready_line_is_in_the_log_and_does_not_hide_it(tmp_path: Path, before: str) -> None:
    code = f"""import sys; {before}; print('{{"port": 7}}'); sys.stdin.read()"""
    async with running(python(code, tmp_path / "log", awaited=b"{")) as child:
        assert await soon(child.ready(WAIT_S)) == {"port": 7}
    assert (tmp_path / "log").read_text().count("z") >= 990_000


async def test_output_without_a_newline_is_a_line_once_it_is_over_and_is_kept(tmp_path: Path) -> None:
    async with running(python("print('one'); print('two', end='')", tmp_path / "log")) as child:
        assert [await soon(child.next_line()) for _ in range(3)] == [b"one\n", b"two", b""]
    words = "import sys, time; print('on the way', end=''); print('!', file=sys.stderr); time.sleep(600)"
    async with running(python(words, tmp_path / "log")) as child:
        await until(lambda: child.log_tail() == "!")
        with pytest.raises(HarnessError, match="not ready within"):
            await child.ready_line(0.25)
    assert (tmp_path / "log").read_text() == "!\non the way"


async def test_a_ready_line_that_never_comes_names_the_limit_the_log_and_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running(python(f"import sys; print('loading', file=sys.stderr); {SLEEPS}", log)) as child:
        await until(lambda: child.log_tail() == "loading")
        with pytest.raises(HarnessError) as caught:
            await child.ready_line(0.25)
    assert str(caught.value) == f"the program was not ready within 0.25 s, see {log}: loading"


async def test_one_that_ends_before_it_is_ready_is_reported_with_its_last_words_or_how_it_ended(tmp_path: Path) -> None:
    async with running(python("import sys; sys.exit('no such voice')", tmp_path / "one")) as child:
        with pytest.raises(HarnessError, match=r"the program ended before it was ready: no such voice$"):
            await child.ready(WAIT_S)
    async with running(python("import sys; sys.exit(5)", tmp_path / "two")) as child:
        with pytest.raises(HarnessError, match="the program ended before it was ready: ended with status 5"):
            await child.ready(WAIT_S)


async def test_one_that_says_something_else_than_that_it_is_ready_is_reported_with_its_log(tmp_path: Path) -> None:
    async with running(python("print('{hello')", tmp_path / "log", awaited=b"{")) as child:
        with pytest.raises(HarnessError, match=f"something else than that it is ready, see {tmp_path / 'log'}"):
            await child.ready(WAIT_S)


async def test_the_last_words_are_its_own_and_not_those_of_an_earlier_one(tmp_path: Path) -> None:
    for words in ("the first\n", ""):
        async with running(python(f"import sys; sys.stderr.write({words!r})", tmp_path / "log")) as child:
            await soon(child.ended())
            assert child.log_tail() == words.strip()


async def test_the_end_of_a_log_is_repeated_without_secrets(tmp_path: Path) -> None:
    padding = "." * (child_module.LOG_TAIL_CHARS - 10)
    words = f"import sys; sys.stderr.write('error: unrecognized arguments: hunter2 OPENAI_API_KEY=other {padding}')"
    async with running(python(words, tmp_path / "agent.log", secrets=("hunter2",))) as child:
        await soon(child.ended())
    tail = child.log_tail()
    assert len(tail) <= child_module.LOG_TAIL_CHARS
    assert "unter2" not in tail
    assert "other" not in tail


# questions and answers

ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line + b'+' * 200_000); sys.stdout.flush()"


async def test_an_answer_is_a_line_with_what_follows_and_questions_wait_for_one_another() -> None:
    async with running(python(ECHO, None, stdout="answers", ending=BY_STDIN)) as child:
        for question in (b"one\n", b"two\n"):
            assert await child.ask(question, WAIT_S) == question
            assert await child.more_of_answer(200_000, WAIT_S) == b"+" * 200_000
    echo = "import sys\nfor line in sys.stdin: print(line, end='')"
    async with running(python(echo, None, stdout="answers", ending=BY_STDIN)) as child:
        asked = [b"%d\n" % n for n in range(50)]
        assert await asyncio.gather(*(child.ask(question, WAIT_S) for question in asked)) == asked


async def test_one_that_leaves_a_question_open_or_ends_is_named_with_limit_status_and_last_words() -> None:
    async with running(python(SLEEPS, None, stdout="answers")) as child:
        with pytest.raises(NoAnswerError, match=r"the program gave no answer within 0\.25 s"):
            await child.ask(b"?\n", 0.25)
    dies = "import sys; sys.stdin.readline(); sys.exit('no memory is left')"
    async with running(python(dies, None, stdout="answers")) as child:
        with pytest.raises(NoAnswerError, match="the program ended with status 1") as caught:
            await child.ask(b"?\n", WAIT_S)
        assert caught.value.last_words == "no memory is left"
        with pytest.raises(NoAnswerError, match="the program ended with status 1"):
            await child.ask(b"to one that is gone\n", WAIT_S)


# its end


async def test_one_that_ignores_sigterm_is_killed_after_its_time(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); {SLEEPS}"
    child = await Child.start(python(code, tmp_path / "log", ending=((signal.SIGTERM, 0.5),)))
    assert await soon(child.next_line()) == b"deaf\n"
    began_s = time.monotonic()
    await child.stop()
    assert time.monotonic() - began_s >= 0.5
    assert child.code == -signal.SIGKILL
    assert child.end_in_words() == "ended by signal 9"
    await child.stop()  # once more costs nothing


async def test_one_that_ends_at_sigterm_says_its_last_words_into_the_log(tmp_path: Path) -> None:
    bye = "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(3)))"
    child = await Child.start(python(f"import signal, sys; {bye}; print('here'); {SLEEPS}", tmp_path / "log"))
    assert await soon(child.next_line()) == b"here\n"
    await child.stop()
    assert child.code == 3
    assert (tmp_path / "log").read_text() == "bye\n"


async def test_one_that_is_asked_by_its_stdin_ends_by_itself_and_gets_no_signal(tmp_path: Path) -> None:
    code = "import sys; print('here'); sys.stdin.read(); print('whole'); sys.exit(0)"
    child = await Child.start(python(code, tmp_path / "log", ending=BY_STDIN))
    assert await soon(child.next_line()) == b"here\n"
    await child.stop()
    assert child.code == 0
    assert (tmp_path / "log").read_text() == "whole\n"


@pytest.mark.parametrize("stdout", ["lines", "log"])
async def test_the_end_is_noticed_though_a_process_that_it_left_holds_its_pipes(tmp_path: Path, stdout: str) -> None:
    code = f"import subprocess, sys; left = {IN_ITS_OWN_SESSION}; print(left.pid, file=sys.stderr); sys.exit(4)"
    child = await Child.start(python(code, tmp_path / "log", stdout=stdout))
    try:
        assert await soon(child.ended()) == 4
        if stdout == "lines":
            assert await soon(child.next_line(), QUICKLY_S) == b""
        await soon(child.stop(), QUICKLY_S)
    finally:
        psutil.Process(int(child.log_tail())).kill()


async def test_what_it_started_in_its_group_ends_with_it_also_if_it_has_ended_by_itself(tmp_path: Path) -> None:
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', '{SLEEPS}']).pid)"
    async with running(python(code, tmp_path / "log")) as child:
        left = psutil.Process(int(await soon(child.next_line())))
        assert await soon(child.ended()) == 0
        assert left.is_running()
    await until(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE)


async def test_it_is_known_to_be_gone_as_soon_as_the_kernel_knows(tmp_path: Path) -> None:
    async with running(python(SLEEPS, tmp_path / "log")) as child:
        assert child.is_alive
        os.kill(child.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the loop's watcher was first
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - before the loop comes to hear of it
        assert not child.is_alive


@pytest.mark.parametrize("foreign", [False, True])
async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path, foreign: bool) -> None:
    for turns in (1, 3, 10):
        task = asyncio.create_task(Child.start(python(SLEEPS, tmp_path / "log", foreign=foreign)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Child):
            await outcome.stop()


PARENT = """
import asyncio, sys
from pathlib import Path
from harness.processes.child import running
from harness.processes.spec import ChildSpec
async def main():
    code = 'import sys, time; print("here", flush=True); ' + sys.argv[3]
    argv = [sys.executable, '-c', code]
    async with running(ChildSpec('x', argv, Path(sys.argv[1]), stdout='lines', foreign=sys.argv[2] == 'True')) as child:
        await child.next_line()
        print(child.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize(("foreign", "does"), [(True, "time.sleep(600)"), (False, "sys.stdin.read()")])
async def test_a_parent_that_is_killed_outright_leaves_no_child(tmp_path: Path, foreign: bool, does: str) -> None:
    code = [sys.executable, "-c", PARENT, str(tmp_path / "log"), str(foreign), does]
    async with running(ChildSpec("the parent", code, tmp_path / "parent.log", stdout="lines")) as parent:
        pid = int(await soon(parent.next_line()))
        descriptor = os.pidfd_open(pid)  # becomes readable when it ends, whoever its parent is
        try:
            os.kill(parent.pid, signal.SIGKILL)
            await soon(parent.ended())
            assert select.select([descriptor], [], [], WAIT_S)[0]
        finally:
            os.close(descriptor)


# how it is started


@pytest.mark.parametrize("foreign", [False, True])
async def test_a_program_that_cannot_be_run_is_named_with_the_reason(tmp_path: Path, foreign: bool) -> None:
    nothing, plain = tmp_path / "nothing", tmp_path / "plain"
    plain.write_text("no program")
    for path, why in ((nothing, "No such file or directory"), (plain, "Permission denied")):
        spec = ChildSpec("the program", [str(path)], tmp_path / "log", foreign=foreign)
        with pytest.raises(HarnessError, match=f"the program cannot be started: {why}"):
            await Child.start(spec)


async def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=f"the program cannot write {tmp_path}: Is a directory"):
        await Child.start(python("", tmp_path))


@pytest.mark.parametrize(("foreign", "own_session"), [(False, True), (True, True), (False, False)])
async def test_it_is_in_a_group_of_its_own_with_our_environment_but_what_is_hidden(
    tmp_path: Path, foreign: bool, own_session: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_OURS", "1")
    monkeypatch.setenv("OF_OURS_ALONE", "1")
    code = "import os; print(os.getsid(0), os.getpgid(0), sorted(name for name in os.environ if 'OF_' in name))"
    more = {"env": {"OF_THEIRS": "2"}, "hidden": frozenset({"OF_OURS_ALONE"})}
    async with running(python(code, tmp_path / "log", foreign=foreign, own_session=own_session, **more)) as child:
        line = (await soon(child.next_line())).decode()
        session = child.pid if own_session else os.getsid(0)
        assert line == f"{session} {child.pid} ['OF_OURS', 'OF_THEIRS']\n"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - another process's doing, which has no event here
            await asyncio.sleep(0.02)
