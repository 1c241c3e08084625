"""The two-way barrier before the user speaks (H-50 to H-60), and the priming of the call.

probe → trace, agent → trace_ack; the probe has the agent's first frame → probe_ready, agent → agent_ready. An agent
that does not send the events skips the barrier. Priming waits until the receiver's jitter buffer has
kept its delay for STABLE_MS, at most PRIME_LIMIT_S: a fresh NetEQ starts high and would charge its start-up to the
first turn.
"""

from __future__ import annotations

import asyncio

from bots.probe_bot import NotSentError, Probe
from harness.errors import AttemptError
from harness.live.user import User
from harness.model.events import EventType
from harness.model.status import CaptureStatus

BARRIER_TIMEOUT_S = 10.0
TRACE_RESEND_S = 0.5  # a packet sent before the agent's data channel is open is lost, reliable or not
PRIME_LIMIT_S = 2.0
STABLE_MS = 500.0
STABLE_WITHIN_MS = 5.0
FIRST_FIGURE_LIMIT_S = 5.0  # statistics begin with the first packet
STATS_EVERY_S = 0.05
FIGURE_TIMEOUT_S = 1.0


async def _answered(probe: Probe, question: EventType, answer: EventType, unsent: list[str], **data: str) -> None:
    """Send `question` until `answer` arrives; the caller sets the time limit. `unsent`: why the last send failed, if
    it did.
    """
    while not probe.received(answer):
        try:
            await probe.send(question, **data)
            unsent.clear()
        except NotSentError as error:  # the connection may come back within the caller's limit
            unsent[:] = [str(error)]
        try:
            await probe.wait_for(answer, TRACE_RESEND_S)
        except TimeoutError:
            continue
    unsent.clear()


async def pass_barrier(probe: Probe, *, instrumented: bool, user_identity: str, slack_s: float = 0.0) -> None:
    """Raises AttemptError with BARRIER_TIMEOUT and the step that was not passed. `slack_s`: for a slow network."""
    step = "agent_frame"
    unsent: list[str] = []
    timeout_s = BARRIER_TIMEOUT_S + slack_s
    try:
        async with asyncio.timeout(timeout_s):
            if instrumented:
                step = EventType.TRACE_ACK.value
                await _answered(probe, EventType.TRACE, EventType.TRACE_ACK, unsent, user=user_identity)
                step = "agent_frame"
                await probe.agent_frame.wait()
                step = EventType.AGENT_READY.value
                await _answered(probe, EventType.PROBE_READY, EventType.AGENT_READY, unsent)
    except TimeoutError as error:
        status = CaptureStatus.AGENT_ABSENT if step == "agent_frame" else CaptureStatus.BARRIER_TIMEOUT
        why = f" ({unsent[0]})" if unsent else ""
        raise AttemptError(status, f"{step} did not come within {timeout_s:.0f} s{why}") from error


async def prime(user: User) -> tuple[float, bool]:
    """Wait for a steady jitter buffer; returns (ms since its first figure, whether it was steady)."""
    loop = asyncio.get_running_loop()
    asked_s = start_s = loop.time()
    before: tuple[float, float] | None = None
    recent: list[tuple[float, float]] = []  # (time s, mean jitter-buffer delay ms over the last interval)
    while (now_s := loop.time()) - start_s < PRIME_LIMIT_S:
        sample = await _figure(user)
        if before is None and now_s - asked_s < FIRST_FIGURE_LIMIT_S:
            start_s = now_s
        if sample is not None and before is not None and sample[1] > before[1]:
            recent.append((now_s, 1e3 * (sample[0] - before[0]) / (sample[1] - before[1])))
        before = sample
        recent = [item for item in recent if now_s - item[0] <= STABLE_MS / 1e3 + STATS_EVERY_S]
        delays = [delay for _, delay in recent]
        covered_ms = 1e3 * (recent[-1][0] - recent[0][0]) if recent else 0.0
        if covered_ms >= STABLE_MS - 1e3 * STATS_EVERY_S and max(delays) - min(delays) <= STABLE_WITHIN_MS:
            return 1e3 * (loop.time() - start_s), True
        await asyncio.sleep(STATS_EVERY_S)  # getStats has no event; it must be polled
    return 1e3 * (loop.time() - start_s), False


async def _figure(user: User) -> tuple[float, float] | None:
    """The jitter buffer's cumulative figures; None also if the client does not answer in time."""
    try:
        async with asyncio.timeout(FIGURE_TIMEOUT_S):
            return await user.jitter_buffer()
    except TimeoutError:
        return None
