"""Chromium: find one, else get one. EARWITNESS_CHROMIUM > PATH > Playwright's own; then Playwright's download, apt-get."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.tools import run_tool

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DOWNLOAD_TIMEOUT_S = 300.0
APT_TIMEOUT_S = 600.0
VERSION_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class FoundChromium:
    path: Path
    version: str


def _version(path: Path) -> str:
    return run_tool([str(path), "--version"], timeout_s=VERSION_TIMEOUT_S).strip().splitlines()[-1]


def _playwrights_own() -> Path | None:
    """Where Playwright's download lies, if it was made."""
    browsers = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    root = Path(browsers) if browsers else Path.home() / ".cache" / "ms-playwright"
    found = sorted(root.glob("chromium-*/chrome-linux*/chrome")) + sorted(
        root.glob("chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium")
    )
    return found[-1] if found else None


def find_chromium() -> FoundChromium | None:
    """Raises ProvisionError if the one named by EARWITNESS_CHROMIUM does not run."""
    explicit = os.environ.get("EARWITNESS_CHROMIUM")
    if explicit:
        if not Path(explicit).is_file():
            raise ProvisionError(f"EARWITNESS_CHROMIUM={explicit}: no such file")
        return FoundChromium(Path(explicit), _version(Path(explicit)))
    candidates = [shutil.which(name) for name in NAMES] + [_playwrights_own()]
    for candidate in candidates:
        if candidate is not None:
            return FoundChromium(Path(candidate), _version(Path(candidate)))
    return None


def ensure_chromium(progress: Callable[[str], None] = lambda text: None) -> FoundChromium:
    """Raises ProvisionError with what was tried and what to do."""
    found = find_chromium()
    if found is not None:
        return found
    tried = []
    for what, install in (("Playwright's download", _download), ("apt-get", _apt)):
        progress(f"installing Chromium by {what}")
        try:
            install()
        except ProvisionError as error:
            tried.append(f"{what}: {str(error).splitlines()[-1][:200]}")
            continue
        found = find_chromium()
        if found is not None:
            return found
    raise ProvisionError(
        "no Chromium, and none could be installed; install one (any Chrome or Chromium will do) or set "
        f"EARWITNESS_CHROMIUM to its path. Tried: {'; '.join(tried)}"
    )


def _download() -> None:
    run_tool([sys.executable, "-m", "playwright", "install", "chromium"], timeout_s=DOWNLOAD_TIMEOUT_S)


def _apt() -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise ProvisionError("apt-get needs Debian or Ubuntu, and root")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run_tool(["apt-get", "update", "-qq"], timeout_s=APT_TIMEOUT_S, env=env)
    names = ["chromium", "fonts-liberation"]
    run_tool(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], timeout_s=APT_TIMEOUT_S, env=env)
