"""The end of an attempt: the agent is asked for its recording before anybody leaves."""

from __future__ import annotations

from bots.probe_bot import NotSentError, Probe
from harness.model.events import EventType

TRACE_WRITTEN_TIMEOUT_S = 5.0


async def agent_writes(probe: Probe | None, *, instrumented: bool, slack_s: float) -> str | None:
    """Wait until the agent has written pre_rtc.wav; returns why not, or None. `slack_s`: for a slow network."""
    if not instrumented:
        return "the agent does not write pre_rtc.wav (see docs/how_to/own_agent.md)"
    if probe is None or not probe.received(EventType.TRACE_ACK):
        return "the agent never acknowledged the trace"
    if not probe.agent_present.is_set() or probe.disconnected.is_set():
        return "the agent was gone before it could write"
    limit_s = TRACE_WRITTEN_TIMEOUT_S + slack_s
    try:
        await probe.send(EventType.TRACE_END)
        await probe.wait_for(EventType.TRACE_WRITTEN, limit_s)
    except NotSentError as error:
        return str(error)
    except TimeoutError:
        return f"no trace_written within {limit_s:g} s of trace_end"
    return None
