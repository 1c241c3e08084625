"""The words of a call as LiveKit's agents publish them: text streams on the topic `lk.transcription`.

For a framework that publishes none by itself. A text of the agent's grows as it is spoken, so that the part which was spoken is
known when the user interrupts. Attributes: the segment, the track that it speaks of, whether the wording is final.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from logging import Logger
from typing import Any

TOPIC = "lk.transcription"
SEND_TIMEOUT_S = 3.0
HELD_PIECES = 1_000


@dataclass
class Words:
    """Told at once; `publish` sends. `open_stream` takes a stream's attributes, and returns what has `write` and `aclose`."""

    open_stream: Callable[[dict[str, str]], Awaitable[Any]]
    log: Logger
    _waiting: asyncio.Queue[tuple[str, str, str | None]] = field(default_factory=lambda: asyncio.Queue(HELD_PIECES))
    _user: int = 0
    _agent: int = 0
    _speaking: bool = False

    def user(self, text: str, track_sid: str) -> None:
        """What was understood of the user, whose track it is: without one, words would be taken for the agent's."""
        if text.strip() and track_sid:
            segment, self._user = f"user-{self._user}", self._user + 1
            self._put(segment, track_sid, text)
            self._put(segment, track_sid, None)

    def agent(self, piece: str) -> None:
        """The next piece of the reply, with the space that it needs."""
        if piece:
            self._speaking = True
            self._put(f"agent-{self._agent}", "", piece)

    def agent_is_done(self) -> None:
        if self._speaking:
            self._put(f"agent-{self._agent}", "", None)
            self._agent, self._speaking = self._agent + 1, False

    def _put(self, segment: str, track_sid: str, piece: str | None) -> None:
        if not self._waiting.full():  # words are an extra: nobody takes them, and the call goes on
            self._waiting.put_nowait((segment, track_sid, piece))

    async def publish(self) -> None:
        """Send what is told, in its order, until cancelled. The first failure is logged, and ends it."""
        streams: dict[str, Any] = {}
        try:
            while True:
                segment, track_sid, piece = await self._waiting.get()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    if piece is None:
                        if segment in streams:
                            await streams.pop(segment).aclose()
                        continue
                    if segment not in streams:
                        streams[segment] = await self.open_stream(_attributes(segment, track_sid))
                    await streams[segment].write(piece)
        except Exception as error:  # whatever it is, it must not end the agent's call
            self.log.warning("earwitness: words are not published: %s", error or "no answer")


def _attributes(segment: str, track_sid: str) -> dict[str, str]:
    found = {"lk.segment_id": segment, "lk.transcription_final": "true"}
    return found | {"lk.transcribed_track_id": track_sid} if track_sid else found
