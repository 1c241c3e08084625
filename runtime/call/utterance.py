"""The user's current utterance: its sound and its running transcription, which may finish and resume.

The sound is kept, so that a transcript requested at a pause can be requested again when the user goes on, and a restarted
recogniser gets all of it. One engine conversation at a time: a new one waits for the one before.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import numpy as np

from runtime.engines.protocols import EngineError, Heard, Int16Array, SpeechToText, Transcription

log = logging.getLogger(__name__)

PUSH_SAMPLES = 480  # 30 ms at 16 kHz: a message to the recogniser's process costs more than its sound


@dataclass
class Utterance:
    """`open` early, `push` sound as it comes, `finish` for the transcript; always `drop` in the end."""

    stt: SpeechToText
    _sound: list[Int16Array] = field(default_factory=list)
    _live: Transcription | None = None
    _sent: int = 0  # pieces of `_sound` that the recogniser has
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _dropped: bool = False

    async def open(self) -> None:
        """Raises EngineError."""
        async with self._turn:
            await self._ensure()

    async def _ensure(self) -> Transcription | None:
        if self._live is None and not self._dropped:
            live = await self.stt.open()
            if self._dropped:  # while waiting
                await live.drop()
                return None
            self._live, self._sent = live, 0
            self._catch_up()
        return self._live

    def push(self, samples: Int16Array) -> None:
        self._sound.append(samples)
        if sum(len(piece) for piece in self._sound[self._sent :]) >= PUSH_SAMPLES:
            self._catch_up()

    def _catch_up(self) -> None:
        if self._live is None or self._sent == len(self._sound):
            return
        new = np.concatenate(self._sound[self._sent :])
        try:
            self._live.push(new)
            self._sent = len(self._sound)
        except EngineError as error:  # the end of speech asks another recogniser
            log.warning("the recogniser is lost, the utterance is given to another: %s", error)
            self._live = None

    async def finish(self) -> Heard:
        """The transcript so far. Raises EngineError."""
        async with self._turn:
            live = await self._ensure()
            self._catch_up()
            live, self._live = self._live or await self._ensure(), None
            if live is None:
                raise EngineError("the utterance was dropped")
            return await live.finish()

    @property
    def partial_text(self) -> str:
        """The recogniser's partial transcript, "" if it gives none (`partial_text` is optional in an engine)."""
        return str(getattr(self._live, "partial_text", ""))

    async def drop(self) -> None:
        self._dropped = True
        live, self._live = self._live, None
        if live is not None:
            await live.drop()
