"""Latencies that cannot be true (H-130): one below the agent's own hangover was not measured from the user's end of turn.

Milliseconds after the user's true end of turn.
"""

from __future__ import annotations

from harness.model.case import SpokenUtterance

# the shortest silence that a detector ships with (silero-vad min_silence_duration_ms 100; LiveKit Agents endpointing
# min_delay and OpenAI Realtime silence_duration_ms are 500), and two ways of a 20 ms frame and what buffers it
LEAST_LATENCY_MS = 150.0


def implausible(
    kpi_ms: float, hangover_ms: float | None, speculative: bool, utterance: SpokenUtterance, agent_eot_ms: float | None
) -> str | None:
    """Why a latency cannot be true, or None. `agent_eot_ms`: the agent's end of turn relative to the true one."""
    if hangover_ms is None:
        return _too_soon_for_any(kpi_ms, utterance)
    if kpi_ms < 0 or speculative or kpi_ms >= hangover_ms:
        return None  # a negative one is talk-over, which is judged as such
    if utterance.pauses and agent_eot_ms is not None:
        rate_ms = 1e3 / 48_000
        after_pause_ms = (utterance.end_sample - utterance.pauses[-1][1]) * rate_ms
        if agent_eot_ms <= -after_pause_ms:
            return None  # it answered at the designed pause: early, but truly measured
    return (
        f"{kpi_ms:.0f} ms is below the agent's own hangover of {hangover_ms:.0f} ms: "
        "measured from a later event than the user's end of turn"
    )


def _too_soon_for_any(kpi_ms: float, utterance: SpokenUtterance) -> str | None:
    """For an agent whose hangover is unknown."""
    if not 0 <= kpi_ms < LEAST_LATENCY_MS or utterance.pauses:
        return None  # at a designed pause it may have taken the user to be done
    return (
        f"{kpi_ms:.0f} ms is sooner than any agent can know that the user is done ({LEAST_LATENCY_MS:.0f} ms): "
        "what is heard there had begun for another reason, such as a greeting"
    )
