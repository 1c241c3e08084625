"""A child of the supervisor that says by JSON lines how far it is, tied to our life by its stdin, its log in a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.processes.child import Child
from harness.processes.spec import ChildSpec

READY_TIMEOUT_S = 90.0  # engines load, on a busy machine; one that waits in reserve is started beside calls


@dataclass
class ServedChild:
    """`ready`: what its first line said."""

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
        """Until it is ready. Raises HarnessError if it ends instead; whoever cancels finds it ended too."""
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
        """Of one that is ready and waits to be told: until it serves. Raises HarnessError."""
        self.process.say(b"serve\n")
        await self.process.ready(READY_TIMEOUT_S)
        self.process.log_the_rest()

    async def ended(self) -> str:
        await self.process.ended()
        return self.process.end_in_words()

    async def stop(self) -> None:
        await self.process.stop()
