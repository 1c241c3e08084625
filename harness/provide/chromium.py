"""Chromium: find one that runs, else get one.

Search: EARWITNESS_CHROMIUM, PATH, Playwright's own download. Install: Playwright's download, else apt-get as root. A
Chromium that does not run (Ubuntu's `chromium-browser` without snap, a download without its libraries) is skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import locked
from harness.provide.tools import run_tool

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DOWNLOAD_TIMEOUT_S = 300.0
APT_TIMEOUT_S = 600.0
VERSION_TIMEOUT_S = 30.0
QUIET_APT = {"DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True)
class FoundChromium:
    path: Path
    version: str


def _version(path: Path) -> str:
    """Raises ProvisionError if it does not run."""
    lines = run_tool([str(path), "--version"], timeout_s=VERSION_TIMEOUT_S).strip().splitlines()
    if not lines:
        raise ProvisionError(f"{path} --version says nothing")
    return lines[-1]


def _playwrights_own() -> list[Path]:
    """Where Playwright's downloads lie, the newest first."""
    browsers = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    root = Path(browsers) if browsers else Path.home() / ".cache" / "ms-playwright"
    found = [*root.glob("chromium-*/chrome-linux*/chrome"), *root.glob("chromium-*/chrome-mac*/*.app/Contents/MacOS/*")]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def find_chromium() -> FoundChromium | None:
    """The first that runs. Raises ProvisionError if the one named by EARWITNESS_CHROMIUM does not."""
    explicit = os.environ.get("EARWITNESS_CHROMIUM")
    if explicit:
        if not Path(explicit).is_file():
            raise ProvisionError(f"EARWITNESS_CHROMIUM={explicit}: no such file")
        return FoundChromium(Path(explicit), _version(Path(explicit)))
    on_path = [Path(path) for path in map(shutil.which, NAMES) if path is not None]
    for candidate in [*on_path, *_playwrights_own()]:
        with contextlib.suppress(ProvisionError):
            return FoundChromium(candidate, _version(candidate))
    return None


def ensure_chromium(progress: Callable[[str], None] = lambda text: None) -> FoundChromium:
    """Raises ProvisionError with what was tried and what to do."""
    found = find_chromium()
    if found is not None:
        return found
    tried = []
    with locked("chromium"):
        for what, install in (("Playwright's download", _download), ("apt-get", _apt)):
            found = find_chromium()  # another set-up may have brought it while we waited
            if found is not None:
                return found
            progress(f"installing Chromium by {what}")
            try:
                install()
            except ProvisionError as error:
                tried.append(f"{what}: {' '.join(str(error).split())[:200]}")
            else:
                found = find_chromium()
                if found is not None:
                    return found
                tried.append(f"{what}: what it brought does not run")
    raise ProvisionError(
        "no Chromium, and none could be installed; install one (any Chrome or Chromium will do) or set "
        f"EARWITNESS_CHROMIUM to its path. Tried: {'; '.join(tried)}"
    )


def _may_use_apt() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def _download() -> None:
    playwright = [sys.executable, "-P", "-m", "playwright"]
    run_tool([*playwright, "install", "chromium"], timeout_s=DOWNLOAD_TIMEOUT_S)
    if find_chromium() is None and _may_use_apt():  # on a bare system its libraries are missing
        run_tool([*playwright, "install-deps", "chromium"], timeout_s=APT_TIMEOUT_S, env=QUIET_APT)


def _apt() -> None:
    if not _may_use_apt():
        raise ProvisionError("needs Debian or Ubuntu, and root")
    apt = ["apt-get", "-qq", "-o", f"DPkg::Lock::Timeout={APT_TIMEOUT_S:.0f}"]
    run_tool([*apt, "update"], timeout_s=APT_TIMEOUT_S, env=QUIET_APT)
    names = ["chromium", "fonts-liberation"]
    run_tool([*apt, "install", "-y", "--no-install-recommends", *names], timeout_s=APT_TIMEOUT_S, env=QUIET_APT)
