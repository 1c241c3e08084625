"""The border of engines that are not ours: results of the user's own class are checked before use.

Any exception becomes an EngineError with the engine's name; invalid audio or text is refused.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.pcm import as_int16
from runtime.engines.protocols import Conversation, EngineError, Heard, Int16Array, Transcription


@contextmanager
def explained(name: str) -> Iterator[None]:
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"{name}: {type(error).__name__}: {error}") from error


class _Checked:
    def __init__(self, name: str, engine: Any, role: str) -> None:
        self.name, self.engine = name, engine
        self.metrics = EngineMetrics(role)

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        with explained(self.name):
            await self.engine.warm_up()

    async def aclose(self) -> None:
        with explained(self.name):
            await self.engine.aclose()


class CheckedSpeechToText(_Checked):
    """See `runtime.engines.protocols.SpeechToText`."""

    async def open(self) -> CheckedTranscription:
        with explained(self.name):
            return CheckedTranscription(self, await self.engine.open())


@dataclass
class CheckedTranscription:
    owner: CheckedSpeechToText
    transcription: Transcription

    def push(self, samples: Int16Array) -> None:
        with explained(self.owner.name):
            self.transcription.push(samples)

    async def finish(self) -> Heard:
        with self.owner.metrics.request() as request, explained(self.owner.name):
            heard = await self.transcription.finish()
            if not isinstance(heard, Heard) or not isinstance(heard.text, str):
                raise EngineError(f"{self.owner.name}: gave {type(heard).__name__}, expected Heard")
            request.first()
        return heard

    async def drop(self) -> None:
        with explained(self.owner.name):
            await self.transcription.drop()


class CheckedLanguageModel(_Checked):
    """See `runtime.engines.protocols.LanguageModel`."""

    def open(self) -> CheckedConversation:
        with explained(self.name):
            return CheckedConversation(self, self.engine.open())


@dataclass
class CheckedConversation:
    owner: CheckedLanguageModel
    conversation: Conversation

    @property
    def repeatable(self) -> bool:
        return bool(getattr(self.conversation, "repeatable", False))

    async def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        with self.owner.metrics.request() as request, explained(self.owner.name):
            async with aclosing(self.conversation.reply(heard, interrupted=interrupted)) as tokens:
                async for token in tokens:
                    if not isinstance(token, str):
                        raise EngineError(f"{self.owner.name}: gave {type(token).__name__}, expected text")
                    request.first()
                    yield token

    def spoken(self, text: str) -> None:
        with explained(self.owner.name):
            self.conversation.spoken(text)


class CheckedTextToSpeech(_Checked):
    """See `runtime.engines.protocols.TextToSpeech`."""

    def __init__(self, name: str, engine: Any, role: str) -> None:
        super().__init__(name, engine, role)
        with explained(name):
            self.rate_hz = int(engine.rate_hz)

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        with self.metrics.request() as request, explained(self.name):
            async with aclosing(self.engine.speak(text)) as chunks:
                async for chunk in chunks:
                    samples = as_int16(chunk)
                    request.first()
                    yield samples
