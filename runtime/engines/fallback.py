"""An STT or LLM with another in reserve (R-96). A turn in which the reserve worked says so in its scope and is DEGRADED.

The first choice has `switch_after_ms` for its first result. An STT keeps the sound, so that the reserve gets all of it; an
LLM is replaced only before its first token, for no model continues another's sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runtime.engines.breaker import CircuitBreaker
from runtime.engines.first_in_time import first_in_time, in_time
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.openai_transcription import Utterance
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
from runtime.engines.turn_scope import current_turn

AnEngine = TypeVar("AnEngine", bound=Engine)


@dataclass
class WithReserve(Generic[AnEngine]):
    """The common base of engines with a reserve; its figures are the first choice's."""

    first: AnEngine
    reserve: AnEngine
    breaker: CircuitBreaker

    @property
    def metrics(self) -> EngineMetrics:
        return self.first.metrics

    def health(self) -> Health:
        if self.breaker.why:
            return Health(False, f"the reserve is used: {self.breaker.why}")
        return self.first.health()

    async def warm_up(self) -> None:
        """The reserve must work; a failing first choice is tried again after its rest."""
        await self.reserve.warm_up()
        try:
            await self.first.warm_up()
        except EngineError as error:
            self.breaker.open(f"{error}")

    async def aclose(self) -> None:
        await self.first.aclose()
        await self.reserve.aclose()


@dataclass
class FallbackSpeechToText(WithReserve[SpeechToText]):
    """See `runtime.engines.protocols.SpeechToText`."""

    switch_after_ms: float = 3_000.0

    async def open(self) -> FallbackTranscription:
        why = self.breaker.why
        if not self.breaker.allows():
            return FallbackTranscription(self, None, f"stt: resting ({why})")
        try:
            return FallbackTranscription(self, await self.first.open(), "")
        except EngineError as error:
            self.breaker.failed(f"{error}")
            return FallbackTranscription(self, None, f"stt: {error}")


@dataclass
class FallbackTranscription:
    """See `runtime.engines.protocols.Transcription`. `why_not`: why the first choice does not hear this utterance."""

    owner: FallbackSpeechToText
    first: Transcription | None
    why_not: str
    _utterance: Utterance = field(default_factory=Utterance)

    def push(self, samples: Int16Array) -> None:
        self._utterance.push(samples)
        if self.first is not None:
            try:
                self.first.push(samples)
            except EngineError as error:
                self.why_not = f"stt: {error}"

    async def finish(self) -> Heard:
        """Raises EngineError if both failed."""
        breaker = self.owner.breaker
        if self.first is not None:
            try:
                heard = await in_time(self.first.finish(), "stt", self.owner.switch_after_ms)
                breaker.succeeded()
                return heard
            except EngineError as error:
                breaker.failed(f"{error}")
                self.why_not = f"stt: {error}"
            except asyncio.CancelledError:
                breaker.given_up()
                raise
        current_turn().note(f"{self.why_not}; the reserve listened")
        reserve = await self.owner.reserve.open()
        reserve.push(self._utterance.samples())
        return await reserve.finish()

    async def drop(self) -> None:
        if self.first is not None:
            self.owner.breaker.given_up()
            await self.first.drop()


@dataclass
class FallbackLanguageModel(WithReserve[LanguageModel]):
    """See `runtime.engines.protocols.LanguageModel`."""

    switch_after_ms: float = 3_000.0

    def open(self) -> FallbackConversation:
        return FallbackConversation(self, self.first.open(), self.reserve.open())


@dataclass
class FallbackConversation:
    """See `runtime.engines.protocols.Conversation`."""

    owner: FallbackLanguageModel
    first: Conversation
    reserve: Conversation
    _on_reserve: bool = False

    @property
    def repeatable(self) -> bool:
        return self.first.repeatable and self.reserve.repeatable

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        """Raises EngineError if both failed, or the first choice in mid-reply."""
        breaker, why = self.owner.breaker, f"resting ({self.owner.breaker.why})"
        self._on_reserve = not breaker.allows()
        if not self._on_reserve:
            given = False
            try:
                limit_ms = self.owner.switch_after_ms
                stream = first_in_time(self.first.reply(heard, interrupted=interrupted), "llm", limit_ms)
                async with aclosing(stream) as tokens:
                    async for token in tokens:
                        given = True
                        yield token
                breaker.succeeded()
                return
            except EngineError as error:
                breaker.failed(f"{error}")
                if given:
                    raise
                why = f"{error}"
            except (asyncio.CancelledError, GeneratorExit):
                breaker.given_up()
                raise
        self._on_reserve = True
        current_turn().note(f"llm: {why}; the reserve answered")
        async with aclosing(self.reserve.reply(heard, interrupted=interrupted)) as tokens:
            async for token in tokens:
                yield token

    def spoken(self, text: str) -> None:
        (self.reserve if self._on_reserve else self.first).spoken(text)
