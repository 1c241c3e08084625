"""An agent's process: it can always write, and what it wrote is repeated without secrets. No call is made here."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.live.agents import open_agent
from harness.live.rooms import Rooms
from harness.model.plan import AgentSpec
from harness.processes import child
from harness.processes.child import Process

WAIT_S = 30.0


async def started(code: str, log: Path, secrets: tuple[str, ...] = ()) -> Process:
    return await Process.start([sys.executable, "-u", "-c", code], {}, log, pipe=True, secrets=secrets)


async def test_a_process_that_says_much_after_its_ready_line_is_never_blocked(tmp_path: Path) -> None:
    chatter = "print('ready'); [print('x' * 99) for _ in range(3000)]; import sys; sys.stdin.read(1)"
    code = f"{chatter}; print('more'); sys.exit(7)"
    running = await started(code, tmp_path / "agent.log")
    try:
        assert running.process.stdin is not None
        async with asyncio.timeout(WAIT_S):
            assert await running.next_line() == b"ready\n"
            running.log_the_rest()
            running.process.stdin.write(b"g")
            assert await running.process.wait() == 7
    finally:
        await running.stop()
    log = (tmp_path / "agent.log").read_text()
    assert log.count("x" * 99) == 3000
    assert log.endswith("more\n")


async def test_a_process_whose_lines_nobody_reads_goes_on_and_all_is_in_its_log(tmp_path: Path) -> None:
    running = await started("[print(n, 'y' * 99) for n in range(3000)]", tmp_path / "agent.log")
    try:
        async with asyncio.timeout(WAIT_S):
            await running.process.wait()
            while await running.next_line():
                pass
    finally:
        await running.stop()
    assert len((tmp_path / "agent.log").read_text().splitlines()) >= 3000 - child.LINES_KEPT


async def test_a_process_that_ends_without_a_word_gives_no_line(tmp_path: Path) -> None:
    running = await started("", tmp_path / "agent.log")
    try:
        async with asyncio.timeout(WAIT_S):
            assert await running.next_line() == b""
    finally:
        await running.stop()


async def test_the_end_of_a_log_is_repeated_without_secrets(tmp_path: Path) -> None:
    said = "import sys; sys.stderr.write('error: unrecognized arguments: hunter2 OPENAI_API_KEY=other ' + '.' * 590)"
    running = await started(said, tmp_path / "agent.log", ("hunter2",))
    try:
        async with asyncio.timeout(WAIT_S):
            await running.process.wait()
    finally:
        await running.stop()
    tail = running.log_tail()
    assert len(tail) <= child.LOG_TAIL_CHARS
    assert "unter2" not in tail
    assert "other" not in tail


async def test_a_command_is_known_by_itself_without_its_secret(tmp_path: Path) -> None:
    rooms = Rooms("ws://127.0.0.1:1", "key", "secret" * 6, None)  # type: ignore[arg-type]
    spec = AgentSpec("command", "nonexistent-program --api-key hunter2")
    async with open_agent(spec, rooms, tmp_path) as agent:
        assert agent.about.spec == "nonexistent-program --api-key ***"
        with pytest.raises(HarnessError, match="nonexistent-program") as caught:
            async with agent.attend("room", rooms, "user"):
                raise AssertionError("it cannot start")
    assert "hunter2" not in str(caught.value)
