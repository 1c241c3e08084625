"""The media server: on free loopback ports with keys of its own, found in order, and gone at the end in any case."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.errors import ProvisionError
from harness.provide import media_server as provided
from harness.provide.media_server import LiveKitTarget, MediaServer, find_media_server, media_server

EVENT_TIMEOUT_S = 60.0
LOOPBACK = ("127.0.0.1", "::1")


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@contextmanager
def watching(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when the process ends, whoever its parent is."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def ended(descriptor: int, within_s: float) -> bool:
    return bool(select.select([descriptor], [], [], within_s)[0])


@pytest.mark.live
async def test_it_answers_on_loopback_alone_and_leaves_no_process(tmp_path: Path) -> None:
    async with media_server(target=None, log_path=tmp_path / "server.log") as server:
        assert server.pid is not None
        assert len(server.api_secret) >= 32
        assert not server.external
        process = psutil.Process(server.pid)
        bound = {connection.laddr.ip for connection in process.net_connections() if not connection.raddr}
        assert bound
        assert bound <= set(LOOPBACK)
        assert server.api_secret not in " ".join(process.cmdline())
        with watching(server.pid) as descriptor:
            assert not ended(descriptor, 0)
    assert not psutil.pid_exists(server.pid)
    assert not server.lost.is_set()
    assert server.api_secret not in (tmp_path / "server.log").read_text()


@pytest.mark.live
async def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    async with (
        media_server(target=None, log_path=tmp_path / "one.log") as one,
        media_server(target=None, log_path=tmp_path / "two.log") as two,
    ):
        assert one.url != two.url
        assert one.api_secret != two.api_secret
        async with media_server(target=_target(one), log_path=tmp_path / "x.log") as same:
            assert same.external
            assert same.url == one.url
    assert not psutil.pid_exists(one.pid or 0)
    assert not psutil.pid_exists(two.pid or 0)


def _target(server: MediaServer) -> LiveKitTarget:
    return LiveKitTarget(server.url, server.api_key, server.api_secret)


@pytest.mark.live
async def test_an_external_server_is_used_and_not_ended(tmp_path: Path) -> None:
    async with media_server(target=None, log_path=tmp_path / "server.log") as ours:
        async with media_server(target=_target(ours), log_path=tmp_path / "x.log") as external:
            assert external.pid is None
        assert not ours.lost.is_set()
        assert psutil.pid_exists(ours.pid or 0)


@pytest.mark.live
async def test_an_external_server_that_refuses_the_key_says_so(tmp_path: Path) -> None:
    async with media_server(target=None, log_path=tmp_path / "server.log") as ours:
        wrong = LiveKitTarget(ours.url, ours.api_key, "x" * 40)
        with pytest.raises(ProvisionError, match="refuses the API key"):
            async with media_server(target=wrong, log_path=tmp_path / "x.log"):
                pass


async def test_an_external_server_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}"
        begin_s = time.monotonic()
        with pytest.raises(ProvisionError, match=rf"{url} cannot be reached .+ is it started, and is the URL right\?"):
            async with media_server(target=LiveKitTarget(url, "key", "s" * 40), log_path=tmp_path / "x.log"):
                pass
    assert time.monotonic() - begin_s < provided.HEALTH_TIMEOUT_S / 2, "one refusal is enough"


async def test_an_external_server_that_is_silent_is_waited_for_and_named_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provided, "HEALTH_TIMEOUT_S", 0.3)
    monkeypatch.setattr(provided, "ANSWER_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(ProvisionError, match=rf"{url} did not answer within 0\.3 s"):
            async with media_server(target=LiveKitTarget(url, "key", "s" * 40), log_path=tmp_path / "x.log"):
                pass


@pytest.mark.live
async def test_a_server_that_is_killed_is_noticed(tmp_path: Path) -> None:
    async with media_server(target=None, log_path=tmp_path / "server.log") as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            await server.lost.wait()


@pytest.mark.live
async def test_an_error_in_the_run_ends_the_server(tmp_path: Path) -> None:
    pid = 0

    async def run() -> None:
        nonlocal pid
        async with media_server(target=None, log_path=tmp_path / "server.log") as server:
            pid = server.pid or 0
            raise RuntimeError("of the run")

    with pytest.raises(RuntimeError, match="of the run"):
        await run()
    assert pid
    assert not psutil.pid_exists(pid)


@pytest.mark.live
async def test_a_harness_killed_outright_leaves_no_server(tmp_path: Path) -> None:
    harness = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from harness.provide.media_server import media_server\n"
        "async def main():\n"
        "    async with media_server(target=None, log_path=Path(sys.argv[1])) as server:\n"
        "        print(server.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", harness, str(tmp_path / "server.log"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        pid = int(await process.stdout.readline())
    with watching(pid) as descriptor:
        process.kill()
        await process.wait()
        assert ended(descriptor, EVENT_TIMEOUT_S)


@pytest.mark.live
async def test_a_port_taken_meanwhile_is_answered_with_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = provided._free_ports
    with socket.socket() as rival:
        rival.bind(("127.0.0.1", 0))
        rival.listen()
        taken = rival.getsockname()[1]
        offers = iter([(taken, genuine()[1]), genuine()])
        monkeypatch.setattr(provided, "_free_ports", lambda: next(offers))
        async with media_server(target=None, log_path=tmp_path / "server.log") as server:
            assert not server.url.endswith(f":{taken}")


@pytest.mark.live
async def test_anothers_server_on_our_port_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = provided._free_ports
    async with media_server(target=None, log_path=tmp_path / "rival.log") as rival:
        offers = iter([(int(rival.url.rsplit(":", 1)[1]), genuine()[1]), genuine()])
        monkeypatch.setattr(provided, "_free_ports", lambda: next(offers))
        async with media_server(target=None, log_path=tmp_path / "server.log") as server:
            assert server.url != rival.url


@pytest.mark.live
async def test_ports_that_stay_taken_end_in_an_error_not_in_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival:
        rival.bind(("127.0.0.1", 0))
        genuine = provided._free_ports
        monkeypatch.setattr(provided, "_free_ports", lambda: (genuine()[0], rival.getsockname()[1]))
        with pytest.raises(ProvisionError, match="address already in use"):
            async with media_server(target=None, log_path=tmp_path / "server.log"):
                pass


@pytest.mark.live
async def test_the_users_own_livekit_variables_do_not_reach_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_KEYS", f"other: {'o' * 40}")
    monkeypatch.setenv("UDP_PORT", "1")
    async with media_server(target=None, log_path=tmp_path / "server.log") as server:
        assert server.pid is not None


async def test_a_server_that_fails_at_start_is_reported_with_the_end_of_its_log(tmp_path: Path, on_path: Path) -> None:
    broken = '[ "$1" = --version ] && { echo livekit-server version 9.9; exit; }; echo "boom: no such codec"; exit 7'
    program(on_path / "livekit-server", broken)
    with pytest.raises(ProvisionError, match=r"ended with 7: boom: no such codec"):
        async with media_server(target=None, log_path=tmp_path / "server.log"):
            pass


async def test_a_server_that_does_not_run_at_all_is_named(tmp_path: Path, on_path: Path) -> None:
    server = program(on_path / "livekit-server", "echo wrong machine; exit 126")
    with pytest.raises(ProvisionError, match=rf"{server} --version failed \(126\): wrong machine"):
        async with media_server(target=None, log_path=tmp_path / "server.log"):
            pass


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path, on_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    silent = f'[ "$1" = --version ] && {{ echo version 9.9; exit; }}; echo $$ > {started}; exec sleep 600'
    program(on_path / "livekit-server", silent)

    async def start() -> None:
        async with media_server(target=None, log_path=tmp_path / "server.log"):
            pytest.fail("it never answers")

    task = asyncio.create_task(start())
    pid = int(await asyncio.to_thread(started.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pid)


def test_a_server_on_path_comes_before_the_cached_build(
    tmp_path: Path, on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(on_path))
    assert find_media_server() is None
    cached = provided.cached_server()
    cached.parent.mkdir(parents=True)
    program(cached, "")
    assert find_media_server() == cached
    assert find_media_server() == provided.ensure_media_server()
    first = program(on_path / "livekit-server", "")
    assert find_media_server() == first


async def test_no_server_anywhere_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProvisionError, match=r"earwitness setup.*--livekit-url"):
        async with media_server(target=None, log_path=tmp_path / "server.log"):
            pass


def test_a_go_that_is_too_old_is_not_taken(on_path: Path) -> None:
    program(on_path / "go", "echo go version go1.25.9 linux/amd64")
    assert provided.find_go() is None
    program(on_path / "go", "echo go version go1.26.0 linux/amd64")
    assert provided.find_go() == on_path / "go"
