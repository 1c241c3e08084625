"""A child of the supervisor: it reports its start in JSON lines, ends when its stdin closes, and logs to a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.processes.child import Child
from harness.processes.spec import ChildSpec

READY_TIMEOUT_S = 90.0  # engines load on a busy machine; a spare starts beside calls


@dataclass
class ServedChild:
    """`ready`: the content of its first line."""

    process: Child
    ready: dict[str, Any]

    @classmethod
    async def start(
        cls,
        name: str,
        module: str,
        options: list[str],
        env: dict[str, str],
        log: Path,
        *,
        pass_fds: tuple[int, ...] = (),
    ) -> ServedChild:
        """Start it and wait until it is ready. Raises HarnessError if it ends instead; a cancel ends it too."""
        argv = [sys.executable, "-P", "-m", module, *options]
        spec = ChildSpec(name, argv, log, env=env, stdout="lines", awaited=b"{", pass_fds=pass_fds)
        process = await Child.start(spec)
        try:
            return cls(process, await process.ready(READY_TIMEOUT_S))
        except BaseException:
            await process.stop()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive

    async def serve(self) -> None:
        """Tell a ready child to serve, and wait until it does. Raises HarnessError."""
        self.process.say(b"serve\n")
        await self.process.ready(READY_TIMEOUT_S)
        self.process.log_the_rest()

    async def ended(self) -> str:
        await self.process.ended()
        return self.process.end_in_words()

    async def stop(self) -> None:
        await self.process.stop()
