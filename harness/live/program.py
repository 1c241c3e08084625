"""An agent's program that is started for one call: its command filled in, its end noticed, its arrival awaited."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import AttemptError
from harness.live.attendance import Attendance
from harness.model.redaction import redacted, secrets_in
from harness.model.status import CaptureStatus
from harness.processes.child import Child, running
from harness.processes.loopback import past_the_proxy
from harness.processes.spec import ChildSpec

if TYPE_CHECKING:
    from harness.telemetry.receiver import Receiver

LOG = "agent.log"  # output of the agent's process

Came = TypeVar("Came")


@dataclass(frozen=True)
class Program:
    """`command` as a user wrote it. `telemetry`: where its spans are to go."""

    command: str
    log_dir: Path
    telemetry: Receiver | None = None

    @property
    def log_path(self) -> Path:
        return self.log_dir / LOG

    @asynccontextmanager
    async def started(
        self, call: str, values: Mapping[str, str], env: Mapping[str, str], secrets: tuple[str, ...] = ()
    ) -> AsyncIterator[Attendance]:
        """`values`: what stands for the command's {names}; `secrets`: what its log is not to repeat, beside the command's own.
        Raises HarnessError if it cannot be started.
        """
        argv = [_filled(word, values) for word in shlex.split(self.command)]
        hidden = (*secrets_in(self.command), *secrets)
        spans = self.telemetry.env(call) if self.telemetry is not None else {}
        name = f"the agent's command {redacted(argv[0], hidden)!r}"
        given = {**past_the_proxy(os.environ), **env, **spans}  # room and receiver are on this machine
        spec = ChildSpec(name, argv, self.log_path, env=given, foreign=True, secrets=hidden)
        async with running(spec) as child, watched(child) as attendance:
            yield attendance


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


@asynccontextmanager
async def watched(child: Child) -> AsyncIterator[Attendance]:
    """An Attendance whose `lost` is set when the process ends by itself."""
    attendance = Attendance()

    async def watch() -> None:
        code = await child.ended()
        attendance.exit_code = code
        attendance.lost_why = f"its process ended with {code}: {child.log_tail()[-200:]}"
        attendance.lost.set()

    task = asyncio.create_task(watch())
    try:
        yield attendance
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def unless_it_ends(attendance: Attendance, coming: Coroutine[Any, Any, Came], before: str) -> Came:
    """What `coming` gives. Raises what it raises, and AttemptError (AGENT_ABSENT) if the program ends sooner: `before` what."""
    arrival, ended = asyncio.create_task(coming), asyncio.create_task(attendance.lost.wait())
    try:
        await asyncio.wait({arrival, ended}, return_when=asyncio.FIRST_COMPLETED)
        if arrival.done():
            return arrival.result()
        raise AttemptError(CaptureStatus.AGENT_ABSENT, f"before {before}, {attendance.lost_why}")
    finally:
        for task in (arrival, ended):
            task.cancel()
        await asyncio.gather(arrival, ended, return_exceptions=True)
