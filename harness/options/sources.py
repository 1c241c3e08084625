"""Where settings are read from: `earwitness.toml` and the environment. An unknown name is an error, never ignored.

The file has the tables [earwitness] (keys are the fields of Settings) and [gates] (the user's limits). A variable that begins
with EARWITNESS_ is a setting or in PRODUCTS_OWN; a name ending in _KEY or _TOKEN may hold anybody's secret and is not checked.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError

PREFIX = "EARWITNESS_"
ENV_NAMES = {
    "livekit_url": "LIVEKIT_URL",
    "livekit_api_key": "LIVEKIT_API_KEY",
    "livekit_api_secret": "LIVEKIT_API_SECRET",
}
PRODUCTS_OWN = frozenset(
    PREFIX + name
    for name in (
        # of the machine
        *("CACHE", "CHROMIUM", "STATE"),
        # of the reference agent, and of those who start it
        *("CAPTURES", "ENGINES", "TTS_SERVER", "VOICE", "REPLIES", "SESSIONS", "RUNTIME_PORT", "TOKEN_INTERVAL_MS"),
        *("TURN_DETECTOR", "PREPARE", "TURN_LOG", "TURN_WORDS", "OPUS_BITRATE", "OPUS_DTX", "OPUS_RED"),
        *("AUDIO_FILTER_PRE", "AUDIO_FILTER_POST", "FAULTS"),
    )
)
SECRETS = ("_KEY", "_TOKEN")
TABLES = ("earwitness", "gates")


def from_file(path: Path, known: Collection[str]) -> dict[str, Any]:
    """The file's settings, empty if it is missing. `known`: keys of [earwitness]. Raises UsageError."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    for name, table in document.items():
        if name not in TABLES or not isinstance(table, dict):
            hint = f"settings stand under [earwitness]; tables: {', '.join(f'[{known}]' for known in TABLES)}"
            raise UsageError(f"{path}:{_line_of(text, name)}: unknown {_kind(table)} {name!r}; {hint}")
    table = document.get("earwitness", {})
    for key in table:
        if key not in known:
            line = _line_of(text, key, "earwitness")
            raise UsageError(f"{path}:{line}: unknown key {key!r}; known: {', '.join(sorted(known))}")
    gates = document.get("gates", {})
    if gates:
        from harness.options.own_limits import from_table

        table = table | from_table(gates, {key: f"{path}:{_line_of(text, key, 'gates')}" for key in gates})
    return dict(table)


def _kind(value: Any) -> str:
    return "table" if isinstance(value, dict) else "key"


def _line_of(text: str, key: str, table: str | None = None) -> int:
    """The line where `key` is set in `table`, or where table (or key) `key` itself begins; 1 if not found."""
    name = rf"(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')"
    wanted = re.compile(rf"\s*{name}\s*[=.]" if table is not None else rf"\s*(?:\[\s*{name}\s*[\].]|{name}\s*[=.])")
    inside = None
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[\s*\"?([\w-]+)\"?\s*\]", line)
        inside = header.group(1) if header else inside
        if (table is None or inside == table) and wanted.match(line):
            return number
    return 1


def from_environment(env: Mapping[str, str], fields: Collection[str]) -> dict[str, str]:
    """Settings of the environment; an empty variable counts as unset. Raises UsageError for an unknown variable."""
    names = {ENV_NAMES.get(field, f"{PREFIX}{field.upper()}"): field for field in fields}
    known = {*names, *PRODUCTS_OWN}
    for name, value in env.items():
        if value and name.startswith(PREFIX) and name not in known and not name.endswith(SECRETS):
            meant = _meant(name, known)
            raise UsageError(f"environment: {name}: nothing of this name is known; {meant}")
    return {field: env[name] for name, field in names.items() if env.get(name)}


def _meant(name: str, known: Collection[str]) -> str:
    own = name.removeprefix(PREFIX)
    ours = {known_name.removeprefix(PREFIX): known_name for known_name in known}
    like = own if own in ours else next(iter(difflib.get_close_matches(own, ours, n=1, cutoff=0.75)), None)
    return f"did you mean {ours[like]}?" if like is not None else "unset it, or give it a name that does not begin so"
