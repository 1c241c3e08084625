"""How far the agent's turns of a run came, from the traces that lie in its captures: rows for report.md.

`heard` is a reply whose first audible sample the measurement found. Attempts without a trace or a measurement are not
counted, but reported as missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.model.agent_trace import read_agent_trace
from harness.model.events import AgentTurnTrace
from harness.model.funnel import UNEXPLAINED, count, table
from harness.model.verdict import AttemptVerdict, Summary

SHOWN = 10  # unexplained losses by trace id


@dataclass(frozen=True)
class FunnelView:
    """`rows`: (stage, turns, what was lost after it). `unexplained`: trace ids of turns that nobody can account for."""

    rows: tuple[tuple[str, int, str], ...]
    unexplained: tuple[str, ...]
    attempts: int
    left_out: int


def funnel_view(summary: Summary, run_dir: Path) -> FunnelView | None:
    """None if no attempt left a trace of its agent."""
    turns: list[AgentTurnTrace] = []
    heard: set[tuple[str, int]] = set()
    attempts = [attempt for case in summary.cases for attempt in case.attempts]
    counted = 0
    for attempt in attempts:
        found = read_agent_trace(run_dir / attempt.folder)
        if not found or attempt.measurement is None:
            continue
        counted += 1
        turns += found
        heard |= _heard_of(attempt)
    if not counted:
        return None
    funnel = count(turns, heard)
    lost = sorted({f"{loss.trace_id} after “{loss.after}”" for loss in funnel.losses if loss.why == UNEXPLAINED})
    return FunnelView(tuple(table(funnel)), tuple(lost[:SHOWN]), counted, len(attempts) - counted)


def _heard_of(attempt: AttemptVerdict) -> set[tuple[str, int]]:
    turns = attempt.measurement.turns if attempt.measurement is not None else []
    return {(attempt.trace_id, turn.reply_seq) for turn in turns if turn.onset_sample is not None}
