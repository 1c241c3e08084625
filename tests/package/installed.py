"""What the tests here use: an environment that has the wheel, and programs run in it as somebody's shell would."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """`env`: what a shell of somebody has who knows nothing of the checkout."""

    uv: str
    wheel: Path
    constraints: Path
    folder: Path
    env: dict[str, str]

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: str, cwd: Path, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`command`: a program of the environment, or a path."""
        program = self.folder / "bin" / command[0]
        argv = [str(program) if program.exists() else command[0], *command[1:]]
        return subprocess.run(argv, cwd=cwd, env=self.env, timeout=timeout_s, capture_output=True, text=True)
