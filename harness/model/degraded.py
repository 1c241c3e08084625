"""DEGRADED turns (R-96): the agent did not work as configured, because an engine fell back to its reserve.

The agent reports it in its trace. DEGRADED is a label and no status: a reply by the reserve passes or fails like any
other. A turn without a reply may be DEGRADED too.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.model.agent_trace import read_agent_trace

LABEL = "DEGRADED"
ENGINE = re.compile(r"([A-Za-z][\w-]{0,19}): (?=\S)")  # a note begins with its engine
UNNAMED = "an engine"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DegradedTurn(_Frozen):
    """One turn. `notes`: one line for each engine that did not do its part, as "tts: refused; the reserve spoke"."""

    reply_seq: int | None  # None: it led to no reply
    notes: list[str] = Field(min_length=1)

    @property
    def engines(self) -> list[str]:
        return list(dict.fromkeys(engine_and_why(note)[0] for note in self.notes))


class DegradedBy(_Frozen):
    """How many turns of a run were DEGRADED by one engine for one reason."""

    engine: str
    why: str
    turns: int
    examples: list[str]  # trace ids


def engine_and_why(note: str) -> tuple[str, str]:
    found = ENGINE.match(note)
    return (found.group(1), note[found.end() :]) if found is not None else (UNNAMED, note)


def degraded_in(folder: Path) -> list[DegradedTurn]:
    """The DEGRADED turns of the capture in `folder`; none if its agent left no trace."""
    return [
        DegradedTurn(reply_seq=turn.reply_seq, notes=turn.degraded)
        for turn in read_agent_trace(folder)
        if turn.degraded
    ]
