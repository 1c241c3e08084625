"""The metadata and attributes that an agent gets with the call: JSON on the command line or in a file (@FILE), or a TOML table.

The text is passed on as it is; a JSON string passes its content. Every mistake is a UsageError in one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model.plan import Invitation

OURS = ("agent", "probe")  # `role` attributes of others in the room


def read_invitation(
    dispatch_metadata: str | Mapping[str, Any] | None,
    attributes: str | Mapping[str, Any] | None,
    room_metadata: str | Mapping[str, Any] | None,
) -> Invitation:
    """Raises UsageError."""
    return Invitation(
        dispatch_metadata=_text("--dispatch-metadata", dispatch_metadata),
        attributes=tuple(_attributes("--attributes", attributes).items()),
        room_metadata=_text("--room-metadata", room_metadata),
    )


def _text(option: str, given: str | Mapping[str, Any] | None) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        return json.dumps(given, ensure_ascii=False)
    text, value, _ = _read(option, given)
    return value if isinstance(value, str) else text


def _attributes(option: str, given: str | Mapping[str, Any] | None) -> dict[str, str]:
    """LiveKit's attributes map names to texts."""
    if given is None:
        return {}
    value, where = (given, option) if not isinstance(given, str) else _read(option, given)[1:]
    if not isinstance(value, Mapping):
        raise UsageError(f'{where}: expected an object of texts, as in {{"plan": "gold"}}')
    for name, text in value.items():
        if not name or not isinstance(text, str):
            shown = json.dumps(text, ensure_ascii=False)
            raise UsageError(f"{where}: attribute {name!r} is {shown}; an attribute has a name and is a text")
        if name == "role" and text in OURS:
            raise UsageError(f"{where}: the user cannot have the role {text!r}; it tells others in the room apart")
    return dict(value)


def _read(option: str, given: str) -> tuple[str, Any, str]:
    """(the text, what it means, where it stands)."""
    text, where = given, option
    if given.startswith("@"):
        path = Path(given[1:])
        where = f"{option} {path}"
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{where}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{where}: is no text in UTF-8") from error
    try:
        return text, json.loads(text), where
    except json.JSONDecodeError as error:
        line = f"{where}:{error.lineno}" if given.startswith("@") else where
        raise UsageError(
            f'{line}: not JSON ({error.msg}, at character {error.colno}); a plain text is written as "text", a file as @FILE'
        ) from error
