"""The init script: all files of `js/` in one closure, so that the page under test sees only two names of ours.

These two are the binding (page → Python) and the handle (Python → page), both window properties.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Literal

from harness.model.case import Echo
from harness.model.plan import EarMode

BINDING = "__earwitnessReport"
HANDLE = "__earwitness"
WEBM_CHUNK_MS = 1000  # what a crash may cost of the webm recording

# In the order in which they need each other; worklets.js is passed as text, main.js installs.
_PARTS = ("report.js", "bytes.js", "ears.js", "microphone.js", "peers.js", "players.js", "graphs.js")


def read_js(name: str) -> str:
    return (files("harness.browser") / "js" / name).read_text(encoding="utf-8")


def init_script(
    mic: Literal["scheduled", "device"],
    record_webm: bool,
    echo: Echo | None = None,
    ear: EarMode = "played",
    quiet: bool = False,
    files: bool = False,
) -> str:
    """The script that gives any page its taps and microphone, before the page's own scripts run."""
    config = {
        "mic": mic,
        "ear": ear,
        "quiet": quiet,  # see quiet_wire
        "files": files,  # media elements with a src are heard too
        "recordWebm": record_webm,
        "echo": None if echo is None else {"gain": 10 ** (echo.gain_db / 20), "delayS": echo.delay_ms / 1e3},
        "webmChunkMs": WEBM_CHUNK_MS,
        "binding": BINDING,
        "handle": HANDLE,
        "worklets": read_js("worklets.js"),
    }
    parts = "\n".join(read_js(name) for name in _PARTS)
    return f'(() => {{\n"use strict";\nconst config = {json.dumps(config)};\n{parts}\n{read_js("main.js")}\n}})();'
