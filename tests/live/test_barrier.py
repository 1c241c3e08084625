"""The barrier when an event cannot be sent: asked again while the limit lasts, then named with the reason. No call is
made here; what LiveKit's data channel does stands in the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from livekit import rtc

from bots import probe_bot
from bots.probe_bot import Identity, Probe, host_clock
from harness.errors import AttemptError
from harness.live import barrier
from harness.live.farewell import agent_writes
from harness.model.events import Event, EventType, parse_event
from harness.model.status import CaptureStatus


class DataChannel:
    """Stands where LiveKit's room and its local participant do; `publish` is what becomes of a packet."""

    def __init__(self, publish: Callable[[bytes], Awaitable[None]]) -> None:
        self.local_participant = self
        self._publish = publish

    async def publish_data(self, payload: bytes, *, reliable: bool, topic: str) -> None:
        await self._publish(payload)


def probe_over(publish: Callable[[Probe, Event], Awaitable[None]]) -> Probe:
    probe = Probe(Identity("trace", "run", "case", 1, host_clock("host")), "user")
    probe.room = cast(Any, DataChannel(lambda payload: publish(probe, parse_event(payload))))
    probe.agent_frame.set()
    return probe


def answer(probe: Probe, question: Event, kind: EventType) -> None:
    event = question.model_copy(update={"type": kind, "sender": "agent"})
    probe._data_received(rtc.DataPacket(event.to_bytes(), rtc.DataPacketKind.KIND_RELIABLE, None, probe_bot.TOPIC))


async def passed(probe: Probe) -> None:
    await barrier.pass_barrier(probe, instrumented=True, user_identity="user")


async def test_an_event_that_could_not_be_sent_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "TRACE_RESEND_S", 0.01)
    tried: list[EventType] = []

    async def publish(probe: Probe, event: Event) -> None:
        tried.append(event.type)
        if len(tried) < 3:
            raise rtc.participant.PublishDataError("engine: connection is being restored")
        kind = EventType.TRACE_ACK if event.type is EventType.TRACE else EventType.AGENT_READY
        answer(probe, event, kind)

    await passed(probe_over(publish))
    assert tried == [EventType.TRACE] * 3 + [EventType.PROBE_READY]


async def test_a_channel_that_never_sends_is_named_at_the_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "TRACE_RESEND_S", 0.01)
    monkeypatch.setattr(barrier, "BARRIER_TIMEOUT_S", 0.1)

    async def publish(probe: Probe, event: Event) -> None:
        raise rtc.participant.PublishDataError("engine is closed")

    with pytest.raises(AttemptError) as caught:
        await passed(probe_over(publish))
    assert caught.value.status is CaptureStatus.BARRIER_TIMEOUT
    assert "engine is closed" in caught.value.detail


async def test_a_sending_that_hangs_for_its_own_limit_does_not_end_the_barrier_before_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe_bot, "SEND_TIMEOUT_S", 0.02)
    monkeypatch.setattr(barrier, "TRACE_RESEND_S", 0.01)
    monkeypatch.setattr(barrier, "BARRIER_TIMEOUT_S", 1.0)

    async def publish(probe: Probe, event: Event) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    with pytest.raises(AttemptError, match=r"trace_ack did not come within 1 s \(trace was not sent within 0.02 s\)"):
        await passed(probe_over(publish))
    assert loop.time() - begin_s >= 1.0


async def test_an_end_that_cannot_be_sent_costs_the_agents_recording_and_not_the_attempt() -> None:
    async def publish(probe: Probe, event: Event) -> None:
        raise rtc.participant.PublishDataError("engine is closed")

    probe = probe_over(publish)
    probe.agent_present.set()
    question = Event.model_validate({"type": "trace", "trace_id": "trace", "run_id": "run", "case_id": "case",
        "attempt": 1, "seq": 0, "t_ms": 0.0, "clock": probe.identity.clock, "sender": "probe", "data": {}})  # fmt: skip
    answer(probe, question, EventType.TRACE_ACK)
    reason = await agent_writes(probe, instrumented=True, slack_s=0.0)
    assert reason == "trace_end was not sent: engine is closed"
