"""The words of user and agent in an attempt: its case's, its agent's trace, else what the agent published; and what is said of
the wait between them.

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
from reports.view.claims import claimed_text

LONGEST_CHARS = 200
BEHIND_FILLER_MS = 1_000.0


@dataclass(frozen=True)
class Words:
    """Those of one turn; "" where they are unknown."""

    user: str = ""
    understood: str = ""  # by the agent
    agent: str = ""
    did: tuple[str, ...] = ()  # the tools that it called
    waited: str = ""  # for the answer itself, where a filler came before it
    claimed: str = ""  # the latency that the agent reports, beside what was heard
    heard_as: tuple[str, ...] = ()  # by a recogniser, where it differs from the agent's text or from what was published


@dataclass(frozen=True)
class Script:
    """One attempt's words."""

    utterances: tuple[str, ...]
    traces: dict[int, AgentTurnTrace]  # by reply_seq

    def of(self, turn: Turn) -> Words:
        asked = turn.utterance
        said = self.utterances[asked] if asked is not None and 0 <= asked < len(self.utterances) else ""
        shown = tuple(map(call_text, turn.tools)), waited_text(turn), claimed_text(turn), heard_as_text(turn)
        trace = self.traces.get(turn.reply_seq)
        if trace is None:
            return Words(said, turn.understood, turn.said, *shown)
        return Words(said, trace.user_text or turn.understood, trace.reply_text or turn.said, *shown)


def waited_text(turn: Turn) -> str:
    """ "the answer came after 5.9 s, behind other sound; the longest silence lasted 4.0 s"; "" where the first sound began it."""
    answer_metric, first = (
        turn.metrics.get(name)
        for name in ("time_to_answer_ms", "user_kpi_raw_ms" if "ear" in turn.spans else "eot_to_first_audio_ms")
    )
    longest = turn.metrics.get("dead_air_longest_ms")
    values = [metric.value if metric is not None else None for metric in (answer_metric, first, longest)]
    if any(value is None for value in values):
        return ""
    answer_ms, first_ms, longest_ms = (float(value) for value in values if value is not None)
    if answer_ms - first_ms < BEHIND_FILLER_MS:
        return ""
    answer = f"the answer came after {answer_ms / 1e3:.1f} s, behind other sound"
    return f"{answer}; the longest silence lasted {longest_ms / 1e3:.1f} s"


PLACES = {"pre_rtc": "as it was published", "post_rtc": "at the second listener", "ear": "at the ear"}


def heard_as_text(turn: Turn) -> tuple[str, ...]:
    """What a recogniser understood in each recording, where words differ; and which of them got lost, and where."""
    figures = [
        turn.metrics.get(f"{name}{suffix}")
        for name in ("reply_wer", "words_lost_count")
        for suffix in ("", "_pre", "_ear")
    ]
    if not any(metric is not None and metric.value for metric in figures):
        return ()
    texts = [f"{PLACES[name]}: {turn.heard_as[name] or 'nothing'}" for name in PLACES if name in turn.heard_as]
    lost = [
        metric.reason.partition("; understood: ")[0]
        for suffix in ("", "_ear")
        if (metric := turn.metrics.get(f"words_lost_count{suffix}")) is not None and metric.value
    ]
    return (*texts, *lost)


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
