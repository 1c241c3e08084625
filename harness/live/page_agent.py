"""Who is behind a page that needs no room: whoever it connects to, or a program that is started for each call.

The program is given `{port}`, a free one of loopback, as the page's URL is. The call begins when somebody answers there (or,
where no port was asked for, at the page's own host); nothing is known of it beyond its process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.errors import AttemptError
from harness.live.attendance import LONGER, Attendance
from harness.live.program import Program, unless_it_ends
from harness.model.capture import AgentUnderTest
from harness.model.plan import AgentSpec, PageSpec
from harness.model.status import CaptureStatus

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

HOST = "127.0.0.1"
KNOCK_EVERY_S = 0.1
PORTS = {"http": 80, "https": 443}


@dataclass
class PageAgent:
    """`program`: None for an agent that is there already. Its interface is that of every agent; it needs no rooms."""

    about: AgentUnderTest
    page: str
    program: Program | None
    join_s: float
    versions: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def attend(self, room: str, rooms: object, user_identity: str) -> AsyncIterator[Attendance]:
        """`room`: the call's name. Raises AttemptError (AGENT_ABSENT) if its program ends, or does not answer in time."""
        port = _free_port()
        if self.program is None:
            yield Attendance(port=port)
            return
        host, knocked = _where(self.page, port)
        async with self.program.started(room, {"port": str(port)}, {}) as attendance:
            attendance.port = port
            answer = self._answer(self.program, host, knocked)
            await unless_it_ends(attendance, answer, f"anybody answered at {host}:{knocked}")
            yield attendance

    async def _answer(self, program: Program, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(self.join_s):
                await _knock(host, port)
        except TimeoutError:
            detail = (
                f"the agent's command started, but nobody answered at {host}:{port} within {self.join_s:g} s "
                f"({LONGER}); what it wrote is in {program.log_path}"
            )
            raise AttemptError(CaptureStatus.AGENT_ABSENT, detail) from None


def page_agent(spec: AgentSpec, page: PageSpec, run_dir: Path, telemetry: Receiver | None) -> PageAgent:
    """The agent of a whole run without rooms."""
    has_program = spec.kind == "command"
    about = AgentUnderTest(kind="command" if has_program else "page", spec=spec.value, vad_hangover_ms=spec.hangover_ms)
    program = Program(spec.value, run_dir / "logs", telemetry) if has_program else None
    return PageAgent(about, page.template or "", program, spec.join_s)


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
