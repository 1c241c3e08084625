"""A child of the supervisor that says by JSON lines how far it is, tied to our life by its stdin, its log in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.processes.child import Process


@dataclass
class Child:
    """`ready`: what its first line on stdout said."""

    name: str
    process: Process
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
    ) -> Child:
        """Until it is ready. Raises HarnessError if it ends instead; whoever cancels finds it ended too."""
        argv = [sys.executable, "-P", "-m", module, *options]
        process = await Process.start(argv, env, log, pipe=True, pass_fds=pass_fds)
        child = cls(name, process, {})
        ready = False
        try:
            child.ready = await child._says()
            ready = True
        finally:
            if not ready:
                await process.stop()
        return child

    @property
    def pid(self) -> int:
        return self.process.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.process.returncode is None

    async def serve(self) -> None:
        """Of one that is ready and waits to be told: until it serves. Raises HarnessError."""
        stdin = self.process.process.stdin
        assert stdin is not None
        stdin.write(b"serve\n")
        await self._says()
        self.process.log_the_rest()

    async def ended(self) -> str:
        code = await self.process.process.wait()
        return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"

    async def stop(self) -> None:
        await self.process.stop()

    async def _says(self) -> dict[str, Any]:
        """Its next line. Raises HarnessError."""
        line = await self.process.next_line()
        if not line:
            raise HarnessError(f"{self.name} ended before it served: {self.process.log_tail()}")
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise HarnessError(
                f"{self.name} said something else than that it is ready, see {self.process.log_path}"
            ) from error
        return said
