"""Read the agent's trace of its turns from a capture: agent_trace.jsonl, one AgentTurnTrace a line.

A line that is torn or of another schema loses only its own turn.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from harness.model.capture import AGENT_TRACE
from harness.model.events import AgentTurnTrace


def read_agent_trace(folder: Path) -> list[AgentTurnTrace]:
    """The turns of the capture in `folder` that can be read; none if the agent left no trace."""
    try:
        lines = (folder / AGENT_TRACE).read_bytes().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return []
    turns = []
    for line in lines:
        try:
            turns.append(AgentTurnTrace.model_validate_json(line))
        except ValidationError:
            continue
    return turns
