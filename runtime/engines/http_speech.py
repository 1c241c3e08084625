"""Text to speech behind HTTP: audio is passed on while it arrives, and an unwanted request is given up at once.

The common base of such engines: each defines `asked`, the request it sends, and `given_up`, what it does beside closing the
connection. `encoding`: pcm (16 bit), pcm_f32, or wav; `rate_hz` is the server's rate.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from runtime.engines.endpoint import Answer, Endpoint
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.pcm import PcmDecoder, PcmFormat
from runtime.engines.protocols import EngineError, Int16Array

LONGEST_S = 120.0  # sound of one segment: a server that goes on longer speaks no text of ours
WARM_UP_TEXT = "ready"
WARM_UP_FIRST_BYTE_MS = 30_000.0


@dataclass(frozen=True)
class Asked:
    """One request: its path and content."""

    path: str
    body: dict[str, Any]


class HttpSpeech(ABC):
    """See `runtime.engines.protocols.TextToSpeech`."""

    def __init__(self, endpoint: Endpoint, rate_hz: int, encoding: PcmFormat) -> None:
        self.endpoint, self.rate_hz, self.encoding = endpoint, rate_hz, encoding
        self.metrics = EngineMetrics("tts")

    @abstractmethod
    def asked(self, text: str) -> Asked:
        """The request for one segment."""

    async def given_up(self, asked: Asked) -> None:  # noqa: B027  (most servers notice by the connection, which is closed anyway)
        """The request is not wanted any more; its connection is still open. Raises nothing."""

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        n_samples = 0
        async with aclosing(self._speak(WARM_UP_TEXT, WARM_UP_FIRST_BYTE_MS)) as chunks:
            async for chunk in chunks:
                n_samples += len(chunk)
        if n_samples == 0:
            raise EngineError(f"{self.endpoint.name}: spoke no sound for {WARM_UP_TEXT!r}")

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        """Raises EngineError. Text without a letter or digit (an emoji, a dash), which servers refuse, is silence."""
        if not any(character.isalnum() for character in text):
            return
        async with aclosing(self._speak(text, None)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _speak(self, text: str, first_byte_ms: float | None) -> AsyncGenerator[Int16Array]:
        asked = self.asked(text)
        decoder = PcmDecoder(self.encoding, self.rate_hz)
        n_samples = 0
        with self.metrics.request() as request:
            async with self.endpoint.answer(asked.path, json=asked.body, first_byte_ms=first_byte_ms) as answer:
                await self._check(answer)
                async with aclosing(answer.chunks()) as chunks:
                    while (data := await self._next(chunks, asked)) is not None:
                        samples = self._decoded(decoder, data)
                        n_samples += len(samples)
                        if n_samples > LONGEST_S * self.rate_hz:
                            raise EngineError(f"{self.endpoint.name}: speaks for more than {LONGEST_S:g} s")
                        if len(samples):
                            request.first()
                            try:
                                yield samples
                            except GeneratorExit:
                                await self.given_up(asked)
                                raise
            last = self._finish(decoder)
            if len(last):
                request.first()
                yield last

    async def _next(self, chunks: AsyncGenerator[bytes], asked: Asked) -> bytes | None:
        """None at the end. A cancel here first gives the request up: a cancelled read breaks the connection."""
        reading = asyncio.ensure_future(anext(chunks, None))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await self.given_up(asked)
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _check(self, answer: Answer) -> None:
        kind = answer.content_type
        if kind.startswith(("application/json", "text/")):
            said = self.endpoint.without_key(await answer.text(errors="replace"))
            raise EngineError(f"{self.endpoint.name}: answered {kind.split(';')[0]} where sound is expected: {said}")
        named = re.search(r"\brate=(\d+)", kind)
        if named and int(named[1]) != self.rate_hz:
            raise EngineError(f"{self.endpoint.name}: speaks at {named[1]} Hz, configured is rate_hz = {self.rate_hz}")

    def _decoded(self, decoder: PcmDecoder, data: bytes) -> Int16Array:
        try:
            return decoder.push(data)
        except EngineError as error:
            raise EngineError(f"{self.endpoint.name}: {error}") from error

    def _finish(self, decoder: PcmDecoder) -> Int16Array:
        try:
            return decoder.finish()
        except EngineError as error:
            raise EngineError(f"{self.endpoint.name}: {error}") from error
