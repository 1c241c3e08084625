"""The agent's wall clock against this host's monotonic clock: mono ms = wall ms − offset.

An agent on this host reads the wall clock that the receiver reads, so each batch gives the offset, and their spread says how
far the wall clock was set in the call. Causality checks it: no span ends after it has arrived, no sound is heard before
the agent had it, and no turn is decided before the user's last word. Where these contradict this host's clock, the
agent has another one; its offset then lies between what they leave. Replies and turns are paired by their order for that. Where
that cannot be, one being missing or one too many, this host's clock stands if by it some turn has a reply that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.listen.told.replies import ToldReply
from harness.model.spans import SpanLine

READING_MS = 0.5  # between two readings of clocks, and a span's own in the agent
TOLERANCE_MS = 40.0  # of a detector that dates the end of speech, and of a listener's first audible sample
WIDEST_MS = 500.0  # an offset that is not known more closely orders no steps


@dataclass(frozen=True)
class AgentClock:
    """`offset_ms` ± `error_ms`; `how` it was found, in words. None: it is not known, and `how` says why."""

    offset_ms: float | None
    error_ms: float | None
    how: str

    def mono_ms(self, wall_ms: float) -> float | None:
        return None if self.offset_ms is None else wall_ms - self.offset_ms


@dataclass(frozen=True)
class Exchange:
    """A turn of the user and its answer, ms of this host's monotonic clock."""

    ended_ms: float
    heard_ms: float


def agent_clock(spans: Sequence[SpanLine], replies: Sequence[ToldReply], exchanges: Sequence[Exchange]) -> AgentClock:
    """`exchanges`: the call's answered turns as they were heard, in order."""
    if not spans:
        return AgentClock(None, None, "no span came")
    offsets = np.array([span.arrived_unix_ns / 1e6 - span.arrived_mono_ms for span in spans])
    here, error = float(np.median(offsets)), float(np.ptp(offsets)) / 2 + READING_MS
    arrived = max(span.end_ms - span.arrived_mono_ms for span in spans)  # what has arrived has ended
    answers = [r for r in replies if r.claimed_ms is not None or {"user_eot", "tts_first_pcm"} <= r.marks.keys()]
    paired = list(zip(answers, exchanges, strict=True)) if len(answers) == len(exchanges) else []
    sounds = [r.marks["tts_first_pcm"] - e.heard_ms for r, e in paired if "tts_first_pcm" in r.marks]
    decided = [r.marks["vad_end"] - e.ended_ms for r, e in paired if "vad_end" in r.marks]
    least, most, slack = max([arrived, *sounds]), min(decided, default=None), TOLERANCE_MS + error
    mispaired = most is not None and most < least - 2 * TOLERANCE_MS
    if paired and not mispaired:
        is_here = here >= least - slack and (most is None or here <= most + slack)
    else:
        is_here = here >= arrived - slack and _some_fit(answers, exchanges, here, slack)
    if is_here:
        return AgentClock(here, error, f"this host's (±{error:.1f} ms)")
    if most is None or mispaired:
        return AgentClock(None, None, "another host's, and nothing in the call ties it to this one")
    middle, half = (least + most) / 2, abs(most - least) / 2 + TOLERANCE_MS
    if half > WIDEST_MS:
        return AgentClock(None, None, f"another host's, known to ±{half:.0f} ms only")
    return AgentClock(
        middle,
        half,
        f"another host's, {middle - here:+.0f} ms against this one (±{half:.0f} ms, by what must precede what)",
    )


def _some_fit(answers: Sequence[ToldReply], exchanges: Sequence[Exchange], offset_ms: float, slack_ms: float) -> bool:
    """Whether one was decided after the user's last word in some turn, and made before it was heard; True for none to tell."""
    timed = [answer.marks for answer in answers if {"vad_end", "tts_first_pcm"} <= answer.marks.keys()]
    return not (timed and exchanges) or any(
        marks["vad_end"] - offset_ms >= exchange.ended_ms - slack_ms
        and marks["tts_first_pcm"] - offset_ms <= exchange.heard_ms + slack_ms
        for marks in timed
        for exchange in exchanges
    )
