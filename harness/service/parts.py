"""The parts of the product: media server, agent, page with token server (and harness.service.tts_part). Each is a `Part` of
the supervisor.

Addresses stay the same through a restart, so that calls find them again: the media server keeps ports and keys, the page
its port; the agent's address changes, and the page reads it from a file whenever it needs the agent. Python and engines
take seconds to load, so a spare of agent and page waits ready and takes over when the first dies.
"""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.provide.media_server import FixedAddress, LiveKitTarget, MediaServer, free_address, media_server
from harness.service.child import ServedChild
from harness.service.sockets import listen, url_of
from harness.service.spared_part import SparedPart
from harness.service.state import log_path


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


class AgentPart(SparedPart[ServedChild]):
    """`python -m runtime`; its spare waits with engines loaded."""

    def __init__(self, folder: Path, env: dict[str, str], address_file: Path, *, spare: bool = True) -> None:
        super().__init__("agent", spare=spare)
        self.folder = folder
        self.env = env
        self.address_file = address_file
        self.url = ""

    async def make(self) -> ServedChild:
        options = ["--exit-with-parent"]
        return await ServedChild.start(self.name, "runtime", options, self.env, log_path(self.folder, self.name))

    async def serve(self, worker: ServedChild) -> None:
        self.url = worker.ready["http"]
        part = self.address_file.with_suffix(".tmp")
        part.write_text(self.url, encoding="utf-8")
        part.replace(self.address_file)

    async def close(self) -> None:
        await super().close()
        with contextlib.suppress(FileNotFoundError):
            self.address_file.unlink()


class PagePart(SparedPart[ServedChild]):
    """The token server with the page, a separate process. The supervisor holds the socket: it outlives the process, and
    the next process serves a caller who comes between two.
    """

    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        address_file: Path,
        library: Path,
        port: int = 0,
        *,
        spare: bool = True,
    ) -> None:
        super().__init__("page", spare=spare)
        self.folder = folder
        self.env = env
        self.address_file = address_file
        self.library = library
        self._listening = listen(port, "--port")
        self.url = url_of(self._listening)

    async def make(self) -> ServedChild:
        fd = self._listening.fileno()
        options = ["--fd", str(fd), "--library", str(self.library), "--agent-address", str(self.address_file)]
        log = log_path(self.folder, self.name)
        return await ServedChild.start(self.name, "runtime.page.page_process", options, self.env, log, pass_fds=(fd,))

    async def serve(self, worker: ServedChild) -> None:
        await worker.serve()

    async def close(self) -> None:
        """End both processes and give the port back."""
        await super().close()
        self._listening.close()
