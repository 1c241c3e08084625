"""The words of user and agent in an attempt: its case's, its agent's trace, else what the agent published. Nothing here is
measured.

All of it is text from elsewhere. A missing or torn file loses only its own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.model.agent_trace import read_agent_trace
from harness.model.capture import TRUTH
from harness.model.case import Truth
from harness.model.events import AgentTurnTrace
from harness.model.measurement import ToolCall, Turn

LONGEST_CHARS = 200


@dataclass(frozen=True)
class Words:
    """Those of one turn; "" where they are unknown."""

    user: str = ""
    understood: str = ""  # by the agent
    agent: str = ""
    did: tuple[str, ...] = ()  # the tools that it called


@dataclass(frozen=True)
class Script:
    """One attempt's words."""

    utterances: tuple[str, ...]
    traces: dict[int, AgentTurnTrace]  # by reply_seq

    def of(self, turn: Turn) -> Words:
        asked = turn.utterance
        said = self.utterances[asked] if asked is not None and 0 <= asked < len(self.utterances) else ""
        did = tuple(map(call_text, turn.tools))
        trace = self.traces.get(turn.reply_seq)
        if trace is None:
            return Words(said, turn.understood, turn.said, did)
        return Words(said, trace.user_text or turn.understood, trace.reply_text or turn.said, did)


def call_text(call: ToolCall) -> str:
    """ "book_table({"people": 2}) → done, 340 ms"."""
    end = call.error or call.result if call.ended else "did not return"
    took = ""
    if call.started_ms is not None and call.ended_ms is not None:
        took = f", {call.ended_ms - call.started_ms:.0f} ms"
    failed = "failed: " if call.error else ""
    return f"{call.name}({_short(call.arguments)}) → {failed}{_short(end) or 'returned'}{took}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CHARS else text[:LONGEST_CHARS] + "…"


def read_script(folder: Path) -> Script:
    return Script(
        _utterances(folder / TRUTH),
        {line.reply_seq: line for line in read_agent_trace(folder) if line.reply_seq is not None},
    )


def _utterances(path: Path) -> tuple[str, ...]:
    try:
        truth = Truth.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return ()
    return tuple(utterance.text for utterance in truth.utterances)
