"""One JSON line a turn for a product in service: the agent's trace of each call goes to one file when the call ends.

The record is that of agent_trace.jsonl (schema version `v`), without the words unless asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from harness.model.events import AgentTurnTrace

PRIVATE = {"user_text": "", "reply_text": ""}


def add_turns(path: Path, turns: Iterable[AgentTurnTrace], *, with_words: bool) -> None:
    """Add turns in one write, so that two processes' lines do not mix. Only the owner can read it. Raises OSError."""
    kept = [turn if with_words else turn.model_copy(update=PRIVATE) for turn in turns]
    if not kept:
        return
    text = "".join(turn.model_dump_json() + "\n" for turn in kept)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def read_turns(path: Path) -> tuple[list[AgentTurnTrace], int]:
    """The turns, and the number of invalid lines (cut off, or of another version). Raises OSError."""
    turns, broken = [], 0
    # not splitlines(): words may hold U+2028 or U+0085, which JSON does not escape
    for line in filter(str.strip, path.read_text(encoding="utf-8", errors="replace").split("\n")):
        try:
            turns.append(AgentTurnTrace.model_validate_json(line))
        except ValidationError:
            broken += 1
    return turns, broken
