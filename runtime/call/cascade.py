"""One turn of the agent: STT → dialogue → bridge → TTS → publisher, streamed; cancelled as one.

It may start before the end of turn is decided (speculative start): then it works up to the first segment's sound and holds
it; nothing reaches the publisher before `release`. Only a `repeatable` language model is asked ahead. The cascade knows no
room and no state machine; it leaves TurnRecord and Publisher true, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from runtime.audio.publisher import RATE_HZ, Publisher
from runtime.audio.resampler import StreamingResampler
from runtime.call.bridge import segments
from runtime.engines.engine_set import RoomEngines
from runtime.engines.protocols import Heard, Int16Array
from runtime.engines.turn_scope import begin_turn
from runtime.trace import TurnRecord


@dataclass
class Cascade:
    """`run` once, `release` when the end of turn is decided. `on_transcript` gets the user's words, then
    `on_published` is called at the reply's first frame; neither before the release.
    """

    engines: RoomEngines
    publisher: Publisher
    record: TurnRecord
    carried_text: tuple[str, ...]
    interrupted: bool
    on_transcript: Callable[[str], None]
    on_published: Callable[[], None]
    on_words: Callable[[str], None] = lambda _: None  # the reply's text so far, once published
    abandoned: bool = False  # nobody wants the reply; work that cannot stop without harm may finish
    hearing: bool = False  # the recogniser is at work: cancelling it costs its process
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: list[Int16Array] = field(default_factory=list)
    _transcript_told: bool = False

    async def run(self, transcript: Callable[[], Awaitable[Heard]]) -> None:
        """Run until the reply is played, or there is none. Raises EngineError."""
        self.record.scope = begin_turn()
        heard = await self._hear(transcript)
        if self.abandoned:
            return
        if not self.engines.llm.repeatable:
            await self._released.wait()
        async with aclosing(segments(self._tokens(heard))) as pieces:
            async for segment in pieces:
                self.record.stamp("llm_first_segment")
                await self._speak(segment)
                await self._released.wait()
                self.on_words(self.record.reply_text.strip())
        await self._released.wait()
        self.record.stamp("tts_done")
        self.publisher.end()
        if self.record.reply_text:
            await self.publisher.played()

    def release(self) -> None:
        """Let the reply be heard from now on."""
        self.publisher.begin(self.on_published)
        self._released.set()
        self._tell()
        kept, self._kept = self._kept, []
        for samples in kept:
            self.publisher.write(samples)

    def _tell(self) -> None:
        if "stt_done" in self.record.t and self._released.is_set() and not self._transcript_told:
            self._transcript_told = True
            self.on_transcript(self.record.user_text)

    async def _hear(self, transcript: Callable[[], Awaitable[Heard]]) -> Heard:
        self.hearing = True
        try:
            heard = await transcript()
        finally:
            self.hearing = False
        self.record.stamp("stt_done")
        self.record.user_text = " ".join([*self.carried_text, heard.text or " ".join(heard.phrases)]).strip()
        if not self.abandoned:
            self._tell()
        return heard

    async def _tokens(self, heard: Heard) -> AsyncGenerator[str]:
        async with aclosing(self.engines.llm.reply(heard, interrupted=self.interrupted)) as tokens:
            async for token in tokens:
                self.record.stamp("llm_first_token")
                self.record.reply_text += token
                yield token

    async def _speak(self, segment: str) -> None:
        self.record.stamp("tts_request")
        resampler = StreamingResampler(self.engines.tts.rate_hz, RATE_HZ)
        async with aclosing(self.engines.tts.speak(segment)) as chunks:
            async for chunk in chunks:
                self.record.stamp("tts_first_pcm")
                self._write(resampler.push(chunk))
        self._write(resampler.flush())

    def _write(self, samples: Int16Array) -> None:
        if self._released.is_set():
            self.publisher.write(samples)
        else:
            self._kept.append(samples)
