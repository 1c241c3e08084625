"""Publish the words of the call as LiveKit's agents do: one text stream for each wording, topic `lk.transcription`.

A page or a listener that knows nothing of the events can caption the call from them. Attributes: the segment, the track that
it speaks of, and whether the wording is final.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from livekit import rtc

from harness.model.events import Event

log = logging.getLogger(__name__)

TRANSCRIPTION_TOPIC = "lk.transcription"
SEND_TIMEOUT_S = 3.0


@dataclass
class Captions:
    """`say` at once, `run` sends. `user_track`, `agent_track`: sids, "" while unknown."""

    user_track: str = ""
    agent_track: str = ""
    _waiting: asyncio.Queue[tuple[str, dict[str, str]]] = field(default_factory=asyncio.Queue)
    _heard: int = 0  # of the user's segments, those with a final wording

    def say(self, event: Event) -> None:
        """`event`: a transcript."""
        text, role = str(event.data.get("text", "")), event.data.get("role")
        if not text.strip():
            return
        final = bool(event.data.get("final"))
        number = self._heard if role == "user" else event.reply_seq
        self._heard += role == "user" and final
        attributes = {
            "lk.segment_id": f"{role}-{number}",
            "lk.transcribed_track_id": self.user_track if role == "user" else self.agent_track,
            "lk.transcription_final": "true" if final else "false",
        }
        self._waiting.put_nowait((text, attributes))

    async def run(self, room: rtc.Room) -> None:
        while True:
            text, attributes = await self._waiting.get()
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await room.local_participant.send_text(text, topic=TRANSCRIPTION_TOPIC, attributes=attributes)
            except (ConnectionError, TimeoutError) as error:  # words are an extra: the call goes on without them
                log.warning("room %s: words were not published: %s", room.name, error or "no answer")
