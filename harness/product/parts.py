"""The parts of the product: media server, agent, page with token server. Each is a `Part` of the supervisor.

Addresses stay the same through a restart, so that calls find them again: the media server keeps ports and keys, the page
its port; the agent's address changes, and stands in a file that the page reads whenever it needs the agent. The agent
takes seconds to load its engines, so that a second one waits ready and takes over when the first dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.product.child import Child
from harness.product.state import log_path
from harness.provide.media_server import FixedAddress, LiveKitTarget, MediaServer, free_address, media_server

log = logging.getLogger(__name__)

SPARE_RETRY_S = 10.0  # a spare that did not come up; the agent in service is not touched


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
    _waiting: Child | None = None
    _making: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def spare_pid(self) -> int | None:
        return self._waiting.pid if self._waiting is not None and self._waiting.is_alive else None

    async def start(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.is_alive:
            await waiting.stop()
            waiting = None
        self._child = waiting or await self._make()
        self.url = self._child.ready["http"]
        part = self.address_file.with_suffix(".tmp")
        part.write_text(self.url, encoding="utf-8")
        part.replace(self.address_file)
        if self.spare:
            self._making = asyncio.create_task(self._make_spare(self._making), name="spare agent")

    async def _make(self) -> Child:
        return await Child.start(self.name, "runtime", [], self.env, log_path(self.folder, self.name))

    async def _make_spare(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        while self._waiting is None:
            try:
                self._waiting = await self._make()
            except HarnessError as error:
                log.error("no spare agent, next try in %.0f s: %s", SPARE_RETRY_S, error)
                await asyncio.sleep(SPARE_RETRY_S)  # nothing else says when it is worth another try

    async def ended(self) -> str:
        assert self._child is not None
        return await self._child.ended()

    async def stop(self) -> None:
        """The agent in service; the spare stays for the next start. `close` ends both."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    async def close(self) -> None:
        making, self._making = self._making, None
        if making is not None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            await waiting.stop()
        await self.stop()
        with contextlib.suppress(FileNotFoundError):
            self.address_file.unlink()


@dataclass
class PagePart:
    """The token server with the page, a process of its own; it keeps the port that it got."""

    folder: Path
    env: dict[str, str]
    address_file: Path
    library: Path
    port: int = 0
    name: str = "page"
    url: str = ""
    _child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        options = ["--port", str(self.port), "--library", str(self.library), "--agent-address", str(self.address_file)]
        self._child = await Child.start(
            self.name, "runtime.page_process", options, self.env, log_path(self.folder, self.name)
        )
        self.url, self.port = self._child.ready["page"], int(self._child.ready["port"])

    async def ended(self) -> str:
        assert self._child is not None
        return await self._child.ended()

    async def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()
