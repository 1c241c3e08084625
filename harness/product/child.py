"""A child of the supervisor that says one JSON line when it serves, tied to our life by its stdin, its log in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.live.agents import Process


@dataclass
class Child:
    """`ready`: what its first line on stdout said."""

    process: Process
    ready: dict[str, Any]

    @classmethod
    async def start(cls, name: str, module: str, options: list[str], env: dict[str, str], log: Path) -> Child:
        """Until it serves. Raises HarnessError if it ends instead; whoever cancels finds it ended too."""
        argv = [sys.executable, "-m", module, "--exit-with-parent", *options]
        process = await Process.start(argv, env, log, pipe=True)
        serves = False
        try:
            assert process.process.stdout is not None
            line = await process.process.stdout.readline()
            if not line:
                raise HarnessError(f"{name} ended before it served: {process.log_tail()}")
            ready = json.loads(line)
            serves = True
        except ValueError as error:
            raise HarnessError(f"{name} said something else than that it is ready, see {log}") from error
        finally:
            if not serves:
                await process.stop()
        return cls(process, ready)

    @property
    def pid(self) -> int:
        return self.process.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.process.returncode is None

    async def ended(self) -> str:
        code = await self.process.process.wait()
        return f"ended by signal {-code}" if code < 0 else f"ended with status {code}"

    async def stop(self) -> None:
        await self.process.stop()
