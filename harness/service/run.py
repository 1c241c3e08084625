"""`earwitness serve` in the foreground: supervises the parts until Ctrl-C, SIGTERM or `serve stop`.

The list of parts, in the order of starting, is the only place that names them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ProvisionError
from harness.provide.media_server import LiveKitTarget
from harness.provide.page_library import find_page_library
from harness.provide.vad_model import require_vad_model
from harness.service.admin import Answers, admin_app, serving_admin
from harness.service.parts import AgentPart, MediaServerPart, PagePart
from harness.service.sessions import bring_agent_back
from harness.service.spared_part import SparedPart
from harness.service.state import TURN_LOG_FILE, Running, alone, log_path, rotated, write_running
from harness.service.supervisor import Part, Supervisor
from harness.service.tts_part import TtsServerPart
from runtime.page.page_process import AgentDoor
from runtime.settings import TTS_KEY_VARIABLE, TTS_SERVER_VARIABLE

AGENT_ADDRESS_FILE = "agent.address"


@dataclass(frozen=True)
class Product:
    """What to serve. Ports on 127.0.0.1; `external`: a media server that is not ours; `spare`: a second agent, TTS server and
    page wait ready; `tts_voice`: the TTS server's voice, None: the agent speaks by itself.
    """

    folder: Path
    port: int = 8080
    admin_port: int = 8089
    external: LiveKitTarget | None = None
    spare: bool = True
    tts_voice: str | None = None
    agent_env: Mapping[str, str] = field(default_factory=dict)  # its settings, beside the addresses


async def serve_product(product: Product, on_ready: Callable[[Running], None]) -> None:
    """Serve until stopped. Raises ProvisionError (something is missing), HarnessError (no start, or it runs already)."""
    library = find_page_library()
    if library is None:
        raise ProvisionError("livekit-client for the page is missing; run `earwitness setup`")
    require_vad_model()
    with alone(product.folder), _logging_to(log_path(product.folder, "supervisor")):
        token = secrets.token_urlsafe(24)
        async with _parts(product, library.path, token) as (parts, target):
            door = AgentDoor(product.folder / AGENT_ADDRESS_FILE, token)

            async def after_restart(name: str) -> None:
                if name in ("media-server", "agent"):  # a call goes on without the others
                    await bring_agent_back(target, door.join)

            supervisor = Supervisor(parts, after_restart)
            async with serving_admin(admin_app(Answers(supervisor, token)), product.admin_port) as admin:

                def ready() -> None:
                    page = next(part.url for part in parts if isinstance(part, PagePart))
                    running = Running(pid=os.getpid(), page=page, admin=admin, token=token, started_unix_s=time.time())
                    write_running(product.folder, running)
                    on_ready(running)

                await supervisor.run(ready)


@asynccontextmanager
async def _parts(product: Product, library: Path, token: str) -> AsyncIterator[tuple[list[Part], LiveKitTarget]]:
    """The parts in the order of starting, and the media server they talk to. Raises UsageError if no socket is to be had."""
    folder = product.folder
    parts: list[Part] = []
    target = product.external
    if target is None:
        media = MediaServerPart(folder)
        target = media.target
        parts.append(media)
    env = {
        "LIVEKIT_URL": target.url,
        "LIVEKIT_API_KEY": target.api_key,
        "LIVEKIT_API_SECRET": target.api_secret,
        "EARWITNESS_CONTROL_TOKEN": token,
        "EARWITNESS_TURN_LOG": str(rotated(folder / TURN_LOG_FILE).resolve()),
        "EARWITNESS_RUNTIME_PORT": "0",  # the spare needs its own port
    }
    agent_env = {**env, **product.agent_env}
    address_file = folder / AGENT_ADDRESS_FILE
    page = PagePart(folder, env, address_file, library, product.port, spare=product.spare)
    with_spares: list[SparedPart[Any]] = [page]
    try:
        if product.tts_voice is not None:
            tts = TtsServerPart(folder, {TTS_KEY_VARIABLE: token}, product.tts_voice, spare=product.spare)
            agent_env |= {TTS_SERVER_VARIABLE: tts.url, TTS_KEY_VARIABLE: token}
            with_spares.insert(0, tts)
        with_spares.insert(-1, AgentPart(folder, agent_env, address_file, spare=product.spare))
        yield [*parts, *with_spares], target
    finally:
        await asyncio.gather(*(part.close() for part in with_spares))


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write the supervisor's log to a file while the context is open."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("harness.service")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
