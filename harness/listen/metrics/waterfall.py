"""Where the time between the user's last voiced sample and the first audible sample went, step by step.

The agent's times come from its trace (host clock), the ends from the recordings through their timeline. Every step is
measured on its own; `unexplained` is the KPI minus their sum, and a missing step leaves it uncomputed. What an agent did
ahead, before it decided that the turn was over, cost the user nothing: its steps count from the decision on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.listen.place.replies import SAMPLES_PER_MS, AnnouncedReply, HeardReply
from harness.listen.read.clocks import Clocks
from harness.model.events import AgentTurnTrace
from harness.model.measurement import WaterfallStep

# (name of the step, attribute of the trace where it begins, where it ends); None: a place in a recording
AGENT_STEPS: tuple[tuple[str, str, str], ...] = (
    ("hangover → VAD decided", "user_eot", "vad_end"),
    ("STT", "vad_end", "stt_done"),
    ("first token", "stt_done", "llm_first_token"),
    ("first segment", "llm_first_token", "llm_first_segment"),
    ("TTS first PCM", "llm_first_segment", "tts_first_pcm"),
    ("published", "tts_first_pcm", "first_publish"),
)
HEARD_STEP = "speech end → agent heard it"
RECEIVED_STEP = "received"
LEADING_STEP = "leading silence → audible"
UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Between:
    """ms from one time of the agent's trace to another, or why not."""

    ms: float | None
    reason: str = ""


def between(trace: AgentTurnTrace | None, begin: str, end: str) -> Between:
    if trace is None:
        return Between(None, "agent_trace.jsonl has no line for this reply")
    first, second = getattr(trace.t, begin), getattr(trace.t, end)
    for name, value in ((begin, first), (end, second)):
        if value is None:
            return Between(None, f"the agent's trace has no {name} for this turn")
    return Between(second - first)


def between_after_decision(trace: AgentTurnTrace | None, begin: str, end: str) -> Between:
    """As `between`, for the work left when the end of turn was decided."""
    found = between(trace, begin, end)
    if found.ms is None or trace is None or trace.t.vad_end is None or begin == "user_eot":
        return found
    return Between(max(getattr(trace.t, end), trace.t.vad_end) - max(getattr(trace.t, begin), trace.t.vad_end))


def path_delay_ms(announced: AnnouncedReply, heard: HeardReply, ring: str, clocks: Clocks) -> Between:
    """First frame handed to WebRTC → that frame heard, by the lag at the reply's head."""
    if heard.head_lag is None or announced.pre_start is None or announced.pre is None:
        return Between(None, f"the reply is not aligned with {ring}.wav")
    if announced.trace is None or announced.trace.t.first_publish is None:
        return Between(None, "the agent's trace has no first_publish for this turn")
    if not clocks.shared_with(ring, announced.trace):
        return Between(None, clocks.why_not_shared(ring, announced.trace))
    arrived = clocks.mono_ms(ring, announced.pre_start + heard.head_lag)
    assert arrived is not None
    return Between(arrived - announced.trace.t.first_publish)


def waterfall(
    kpi_ms: float | None,
    end_recording: str,
    end_sample: float,
    announced: AnnouncedReply | None,
    heard: HeardReply | None,
    ring: str,
    clocks: Clocks,
    faded_in_ms: float = 0.0,
) -> list[WaterfallStep]:
    """All steps in order, `unexplained` last. `faded_in_ms`: for how long the reply's first sounds were not heard."""
    trace = announced.trace if announced is not None else None
    steps = [_step(HEARD_STEP, _heard_by_agent(trace, end_recording, end_sample, clocks))]
    steps += [_step(name, between_after_decision(trace, begin, end)) for name, begin, end in AGENT_STEPS]
    if announced is None or heard is None:
        steps += [_step(name, Between(None, "no reply is aligned")) for name in (RECEIVED_STEP, LEADING_STEP)]
    else:
        steps.append(_step(RECEIVED_STEP, path_delay_ms(announced, heard, ring, clocks)))
        steps.append(_step(LEADING_STEP, _leading_silence(announced, faded_in_ms)))
    return [*steps, _unexplained(kpi_ms, steps)]


def _step(name: str, measured: Between) -> WaterfallStep:
    return WaterfallStep(name=name, ms=None if measured.ms is None else round(measured.ms, 3), reason=measured.reason)


def _heard_by_agent(trace: AgentTurnTrace | None, recording: str, end_sample: float, clocks: Clocks) -> Between:
    if trace is None or trace.t.user_eot is None:
        return Between(None, "the agent's trace has no user_eot for this turn")
    if not clocks.shared_with(recording, trace):
        return Between(None, clocks.why_not_shared(recording, trace))
    ended = clocks.mono_ms(recording, end_sample)
    assert ended is not None
    return Between(trace.t.user_eot - ended)


def _leading_silence(announced: AnnouncedReply, faded_in_ms: float) -> Between:
    if announced.pre is None or announced.pre_start is None:
        return Between(None, "the reply's place in pre_rtc.wav is not known")
    return Between((announced.pre.start - announced.pre_start) / SAMPLES_PER_MS + faded_in_ms)


def _unexplained(kpi_ms: float | None, steps: Sequence[WaterfallStep]) -> WaterfallStep:
    if kpi_ms is None:
        return WaterfallStep(name=UNEXPLAINED, ms=None, reason="there is no KPI to explain")
    lacking = [step for step in steps if step.ms is None]
    if lacking:
        return WaterfallStep(name=UNEXPLAINED, ms=None, reason=f"{lacking[0].name!r} is not known: {lacking[0].reason}")
    total = sum(step.ms for step in steps if step.ms is not None)
    return WaterfallStep(name=UNEXPLAINED, ms=round(kpi_ms - total, 3))
