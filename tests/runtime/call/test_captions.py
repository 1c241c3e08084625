"""The words that the reference agent publishes: one segment a saying, each wording with its track and whether it is final."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from harness.model.events import Clock, ClockKind, Event, EventType
from runtime.call.captions import Captions


def transcript(role: str, text: str, *, final: bool, reply_seq: int | None = None) -> Event:
    clock = Clock(id="mono:test", kind=ClockKind.MONOTONIC)
    data: dict[str, Any] = {"role": role, "text": text, "final": final}
    return Event(
        type=EventType.TRANSCRIPT, trace_id="t", run_id="r", case_id="c", attempt=1, seq=0, t_ms=1.0, clock=clock,
        sender="agent", reply_seq=reply_seq, data=data,
    )  # fmt: skip


class Room:
    """A room that keeps what is sent, and is away for the first text if `gone`."""

    def __init__(self, *, gone: bool = False) -> None:
        self.name, self.sent, self.gone = "room", [], gone
        self.local_participant: Any = SimpleNamespace(send_text=self._send)

    async def _send(self, text: str, *, topic: str, attributes: dict[str, str]) -> None:
        if self.gone:
            self.gone = False
            raise ConnectionError("the room is away")
        assert topic == "lk.transcription"
        self.sent.append(
            (text, *(attributes[f"lk.{key}"] for key in ("segment_id", "transcribed_track_id", "transcription_final")))
        )


async def published(room: Room, *events: Event) -> list[tuple[str, ...]]:
    captions = Captions("TR_user", "TR_agent")
    for event in events:
        captions.say(event)
    sending = asyncio.create_task(captions.run(room))  # type: ignore[arg-type]
    for _ in range(20):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return room.sent


async def test_a_saying_keeps_its_segment_until_its_final_wording() -> None:
    assert await published(
        Room(),
        transcript("user", "what", final=False),
        transcript("user", "what time", final=True),
        transcript("agent", "It is", final=False, reply_seq=0),
        transcript("agent", "It is nine.", final=True, reply_seq=0),
        transcript("user", " ", final=False),
        transcript("user", "thanks", final=True),
    ) == [
        ("what", "user-0", "TR_user", "false"),
        ("what time", "user-0", "TR_user", "true"),
        ("It is", "agent-0", "TR_agent", "false"),
        ("It is nine.", "agent-0", "TR_agent", "true"),
        ("thanks", "user-1", "TR_user", "true"),
    ]


async def test_a_text_that_could_not_be_sent_holds_up_none_after_it() -> None:
    sent = await published(
        Room(gone=True), transcript("user", "lost", final=True), transcript("user", "thanks", final=True)
    )
    assert [text for text, *_ in sent] == ["thanks"]
