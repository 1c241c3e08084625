"""Who is behind a page that needs no room: whoever it connects to, or a program that is started for each call.

The program is given `{port}`, a free one of loopback, as the page's URL is. The call begins when somebody answers there (or,
where no port was asked for, at the page's own host); nothing is known of it beyond its process.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import AttemptError
from harness.live.agents import LOG, fill, watched
from harness.live.attendance import LONGER, Attendance
from harness.model.capture import AgentUnderTest
from harness.model.plan import AgentSpec, PageSpec
from harness.model.redaction import redacted, secrets_in
from harness.model.status import CaptureStatus
from harness.processes.child import running
from harness.processes.spec import ChildSpec

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

HOST = "127.0.0.1"
KNOCK_EVERY_S = 0.1
PORTS = {"http": 80, "https": 443}


@dataclass
class PageAgent:
    """`command`: "" for an agent that is there already. Its interface is that of every agent; it needs no rooms."""

    about: AgentUnderTest
    page: str
    command: str
    join_s: float
    log_dir: Path
    telemetry: Receiver | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def attend(self, room: str, rooms: object, user_identity: str) -> AsyncIterator[Attendance]:
        """`room`: the call's name. Raises AttemptError (AGENT_ABSENT) if its program ends, or does not answer in time."""
        port = _free_port()
        if not self.command:
            yield Attendance(port=port)
            return
        argv = [fill(word, {"port": str(port)}) for word in shlex.split(self.command)]
        env = self.telemetry.env(room) if self.telemetry is not None else {}
        secrets = secrets_in(self.command)
        name = f"the agent's command {redacted(argv[0], secrets)!r}"
        spec = ChildSpec(name, argv, self.log_dir / LOG, env=env, foreign=True, secrets=secrets)
        async with running(spec) as child, watched(child) as attendance:
            attendance.port = port
            await self._answers(attendance, *_where(self.page, port))
            yield attendance

    async def _answers(self, attendance: Attendance, host: str, port: int) -> None:
        knocking = asyncio.create_task(_knock(host, port))
        ended = asyncio.create_task(attendance.lost.wait())
        try:
            await asyncio.wait({knocking, ended}, timeout=self.join_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                detail = f"before anybody answered at {host}:{port}, {attendance.lost_why}"
                raise AttemptError(CaptureStatus.AGENT_ABSENT, detail)
            if not knocking.done():
                detail = (
                    f"the agent's command started, but nobody answered at {host}:{port} within {self.join_s:g} s "
                    f"({LONGER}); what it wrote is in {self.log_dir / LOG}"
                )
                raise AttemptError(CaptureStatus.AGENT_ABSENT, detail)
        finally:
            for task in (knocking, ended):
                task.cancel()
            await asyncio.gather(knocking, ended, return_exceptions=True)


def page_agent(spec: AgentSpec, page: PageSpec, run_dir: Path, telemetry: Receiver | None) -> PageAgent:
    """The agent of a whole run without rooms."""
    about = AgentUnderTest(
        kind="command" if spec.kind == "command" else "page", spec=spec.value, vad_hangover_ms=spec.hangover_ms
    )
    return PageAgent(about, page.template or "", spec.value, spec.join_s, run_dir / "logs", telemetry)


def _where(page: str, port: int) -> tuple[str, int]:
    """(host, port) at which the program is to answer: that of the page if it holds {port}, or serves the page itself."""
    if "{port}" not in page:
        parts = urlsplit(page)
        if parts.hostname is not None and parts.scheme in PORTS:
            return parts.hostname, parts.port or PORTS[parts.scheme]
    return HOST, port


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


async def _knock(host: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(KNOCK_EVERY_S)  # a port that opens tells nobody
