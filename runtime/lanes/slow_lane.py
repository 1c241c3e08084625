"""The slow lane: after a reply, it transcribes the user's utterance (if no engine of the reply has) and describes it.

It works while the engine is free, and is skipped or stopped otherwise (`LaneScheduler`); the turn records its result, or why
there is none. `lanes_around` puts both lanes around a dialogue's engines: the STT's sound is kept, the reply has the fast
lane until its last token, then the slow lane tries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from runtime.engines.engine_set import Engines
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.openai_transcription import RATE_HZ, Utterance
from runtime.engines.protocols import (
    Conversation,
    Engine,
    EngineError,
    Heard,
    Int16Array,
    LanguageModel,
    SpeechToText,
    Transcription,
)
from runtime.engines.turn_scope import TurnScope, current_turn
from runtime.lanes.paralinguistics import describe
from runtime.lanes.scheduler import LaneScheduler, SlowSlot

log = logging.getLogger(__name__)

AnEngine = TypeVar("AnEngine", bound=Engine)


@dataclass
class SlowLane:
    """`stt`: None if the reply's own engines make the transcript."""

    scheduler: LaneScheduler
    stt: SpeechToText | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def offer(self, heard: Heard, turn: TurnScope) -> None:
        """Start without waiting; `turn` gets the result."""
        task = asyncio.create_task(self._try(heard, turn), name="slow lane")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, heard: Heard, turn: TurnScope) -> None:
        try:
            done = await self.scheduler.try_slow(lambda slot: self._work(heard, slot))
        except EngineError as error:
            log.warning("slow lane: %s", error)
            done = f"failed: {error}"
        turn.slow = done if isinstance(done, dict) else {"skipped": done}

    async def _work(self, heard: Heard, slot: SlowSlot) -> dict[str, object]:
        assert heard.audio is not None
        text = heard.text
        if self.stt is not None:
            transcription = await self.stt.open()
            try:
                transcription.push(heard.audio)
                text = (await transcription.finish()).text
            finally:
                await transcription.drop()
        slot.checkpoint()
        found = await asyncio.to_thread(describe, heard.audio, RATE_HZ)  # some ms; a thread cannot be stopped
        slot.checkpoint()
        return {"text": text, **found.as_dict()}

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.stt is not None:
            await self.stt.aclose()


def lanes_around(engines: Engines, lane: SlowLane) -> Engines:
    laned = LanedLanguageModel(engines.llm, lane)
    return replace(engines, stt=KeepingSpeechToText(engines.stt), llm=laned, lanes=lane.scheduler)


@dataclass
class _Around(Generic[AnEngine]):
    """An engine around another one, with that one's health and figures."""

    inner: AnEngine

    @property
    def metrics(self) -> EngineMetrics:
        return self.inner.metrics

    def health(self) -> Health:
        return self.inner.health()

    async def warm_up(self) -> None:
        await self.inner.warm_up()

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class KeepingSpeechToText(_Around[SpeechToText]):
    """See `runtime.engines.protocols.SpeechToText`: `Heard` keeps its sound."""

    async def open(self) -> KeepingTranscription:
        return KeepingTranscription(await self.inner.open())


@dataclass
class KeepingTranscription:
    inner: Transcription
    _utterance: Utterance = field(default_factory=Utterance)

    def push(self, samples: Int16Array) -> None:
        self._utterance.push(samples)
        self.inner.push(samples)

    async def finish(self) -> Heard:
        heard = await self.inner.finish()
        return heard if heard.audio is not None else replace(heard, audio=self._utterance.samples())

    async def drop(self) -> None:
        await self.inner.drop()


@dataclass
class LanedLanguageModel(_Around[LanguageModel]):
    """See `runtime.engines.protocols.LanguageModel`: the fast lane, and after it the slow one. Closes the slow lane."""

    lane: SlowLane

    async def warm_up(self) -> None:
        await super().warm_up()
        if self.lane.stt is not None:
            await self.lane.stt.warm_up()

    async def aclose(self) -> None:
        await self.lane.aclose()
        await super().aclose()

    def open(self) -> LanedConversation:
        return LanedConversation(self.inner.open(), self.lane)


@dataclass
class LanedConversation:
    inner: Conversation
    lane: SlowLane

    @property
    def repeatable(self) -> bool:
        """False with lanes: a discarded reply would take the engine from a wanted one."""
        return False

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        async with self.lane.scheduler.fast():
            async with aclosing(self.inner.reply(heard, interrupted=interrupted)) as tokens:
                async for token in tokens:
                    yield token
        if heard.audio is not None:
            self.lane.offer(heard, current_turn())

    def spoken(self, text: str) -> None:
        if text:
            self.lane.scheduler.barged_in()
        self.inner.spoken(text)
