"""Text to speech behind OpenAI's `/v1/audio/speech`: audio is passed on while it arrives, closed when it is not wanted.

`encoding`: pcm (16 bit, OpenAI's own, at 24,000 Hz), pcm_f32, or wav; `rate_hz` is what the server speaks at.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from runtime.engines.endpoint import Answer, Endpoint
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.pcm import PcmDecoder, PcmFormat
from runtime.engines.protocols import EngineError, Int16Array

LONGEST_S = 120.0  # of one segment: a server that goes on for longer speaks no text of ours
WARM_UP_TEXT = "ready"
WARM_UP_FIRST_BYTE_MS = 30_000.0


@dataclass(frozen=True)
class SpeechOptions:
    model: str
    voice: str
    rate_hz: int = 24_000
    encoding: PcmFormat = "pcm"
    extra: dict[str, Any] = field(default_factory=dict)


class SpeechEndpoint:
    """See `runtime.engines.protocols.TextToSpeech`."""

    def __init__(self, endpoint: Endpoint, options: SpeechOptions) -> None:
        self.endpoint, self.options = endpoint, options
        self.rate_hz = options.rate_hz
        self.metrics = EngineMetrics("tts")

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
        """Raises EngineError. Text without a letter or digit (an emoji, a dash), of which servers make errors, is silence."""
        if not any(character.isalnum() for character in text):
            return
        async with aclosing(self._speak(text, None)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _speak(self, text: str, first_byte_ms: float | None) -> AsyncGenerator[Int16Array]:
        options = self.options
        wanted = "wav" if options.encoding == "wav" else "pcm"
        body = {"model": options.model, "voice": options.voice, "input": text.strip(), "response_format": wanted}
        decoder = PcmDecoder(options.encoding, self.rate_hz)
        n_samples = 0
        with self.metrics.request() as request:
            call = self.endpoint.answer("/audio/speech", json={**body, **options.extra}, first_byte_ms=first_byte_ms)
            async with call as answer:
                await self._check(answer)
                async with aclosing(answer.chunks()) as chunks:
                    async for data in chunks:
                        samples = self._decoded(decoder, data)
                        n_samples += len(samples)
                        if n_samples > LONGEST_S * self.rate_hz:
                            raise EngineError(f"{self.endpoint.name}: speaks for more than {LONGEST_S:g} s")
                        if len(samples):
                            request.first()
                            yield samples
            self._finish(decoder)

    async def _check(self, answer: Answer) -> None:
        kind = answer.content_type
        if kind.startswith(("application/json", "text/")):
            said = self.endpoint.told(await answer.text(errors="replace"))
            raise EngineError(f"{self.endpoint.name}: answered {kind.split(';')[0]} where sound is expected: {said}")
        named = re.search(r"\brate=(\d+)", kind)
        if named and int(named[1]) != self.rate_hz:
            raise EngineError(f"{self.endpoint.name}: speaks at {named[1]} Hz, configured is rate_hz = {self.rate_hz}")

    def _decoded(self, decoder: PcmDecoder, data: bytes) -> Int16Array:
        try:
            return decoder.push(data)
        except EngineError as error:
            raise EngineError(f"{self.endpoint.name}: {error}") from error

    def _finish(self, decoder: PcmDecoder) -> None:
        try:
            decoder.finish()
        except EngineError as error:
            raise EngineError(f"{self.endpoint.name}: {error}") from error
