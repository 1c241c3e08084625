"""The parts of the product: media server, agent, page with token server (and harness.product.tts_part). Each is a `Part` of
the supervisor.

Addresses stay the same through a restart, so that calls find them again: the media server keeps ports and keys, the page
its port; the agent's address changes, and stands in a file that the page reads whenever it needs the agent. Python and
engines take seconds to load, so that of each part a second one waits ready and takes over when the first dies.
"""

from __future__ import annotations

import contextlib
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.product.child import Child
from harness.product.sockets import listen, url_of
from harness.product.state import log_path
from harness.provide.media_server import FixedAddress, LiveKitTarget, MediaServer, free_address, media_server
from runtime.spare import Spare


@dataclass
class MediaServerPart:
    """Our own livekit-server, always at the same ports with the same keys."""

    folder: Path
    name: str = "media-server"
    address: FixedAddress = field(default_factory=free_address)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _server: MediaServer | None = None

    @property
    def target(self) -> LiveKitTarget:
        url = f"ws://127.0.0.1:{self.address.signalling_port}"
        return LiveKitTarget(url, self.address.api_key, self.address.api_secret)

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server is not None else None

    async def start(self) -> None:
        running = media_server(target=None, log_path=log_path(self.folder, self.name), address=self.address)
        self._server = await self._stack.enter_async_context(running)

    def settled(self) -> None:
        return  # it starts in a moment

    async def ended(self) -> str:
        assert self._server is not None
        await self._server.lost.wait()
        return "its process ended"

    async def stop(self) -> None:
        self._server = None
        await self._stack.aclose()


@dataclass
class AgentPart:
    """`python -m runtime`, and with `spare` a second one that waits with its engines loaded."""

    folder: Path
    env: dict[str, str]
    address_file: Path
    spare: bool = True
    name: str = "agent"
    url: str = ""
    _child: Child | None = None
    _spare: Spare[Child] = field(init=False)

    def __post_init__(self) -> None:
        self._spare = Spare(self.name, self._make, self.spare)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        self._child = await self._spare.take()
        self.url = self._child.ready["http"]
        part = self.address_file.with_suffix(".tmp")
        part.write_text(self.url, encoding="utf-8")
        part.replace(self.address_file)

    def settled(self) -> None:
        self._spare.prepare()

    async def _make(self) -> Child:
        options = ["--exit-with-parent"]
        return await Child.start(self.name, "runtime", options, self.env, log_path(self.folder, self.name))

    async def ended(self) -> str:
        assert self._child is not None
        return await self._child.ended()

    async def stop(self) -> None:
        """The agent in service; the spare stays for the next start. `close` ends both."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def close(self) -> None:
        await self._spare.close()
        await self.stop()
        with contextlib.suppress(FileNotFoundError):
            self.address_file.unlink()


@dataclass
class PagePart:
    """The token server with the page, a process of its own. The socket is ours: it stays when the process dies, and a
    caller who comes between two of them is served by the next; with `spare` that one waits ready.
    """

    folder: Path
    env: dict[str, str]
    address_file: Path
    library: Path
    port: int = 0
    spare: bool = True
    name: str = "page"
    url: str = field(init=False)
    _listening: socket.socket = field(init=False)
    _child: Child | None = None
    _spare: Spare[Child] = field(init=False)

    def __post_init__(self) -> None:
        self._listening = listen(self.port, "--port")
        self.url = url_of(self._listening)
        self._spare = Spare(self.name, self._make, self.spare)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        self._child = await self._spare.take()
        await self._child.serve()

    def settled(self) -> None:
        self._spare.prepare()

    async def _make(self) -> Child:
        fd = self._listening.fileno()
        options = ["--fd", str(fd), "--library", str(self.library), "--agent-address", str(self.address_file)]
        log = log_path(self.folder, self.name)
        return await Child.start(self.name, "runtime.page_process", options, self.env, log, pass_fds=(fd,))

    async def ended(self) -> str:
        assert self._child is not None
        return await self._child.ended()

    async def stop(self) -> None:
        """The page in service; `close` ends the spare too, and gives the port back."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def close(self) -> None:
        await self._spare.close()
        await self.stop()
        self._listening.close()
