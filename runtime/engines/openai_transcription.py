"""Speech to text behind OpenAI's `/v1/audio/transcriptions`: an utterance is collected and sent as one WAV at its end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runtime.engines.endpoint import Endpoint
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.engines.wav_bytes import wav_bytes

RATE_HZ = 16_000
LONGEST_UTTERANCE_S = 120.0  # later speech is not transcribed
WARM_UP_FIRST_BYTE_MS = 30_000.0


@dataclass(frozen=True)
class TranscriptionOptions:
    model: str
    language: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Utterance:
    """Sound as it comes, up to LONGEST_UTTERANCE_S."""

    _pieces: list[Int16Array] = field(default_factory=list)
    _n_samples: int = 0

    def push(self, samples: Int16Array) -> None:
        room = int(LONGEST_UTTERANCE_S * RATE_HZ) - self._n_samples
        if room > 0:
            self._pieces.append(samples[:room])
            self._n_samples += len(samples[:room])

    def samples(self) -> Int16Array:
        return np.concatenate(self._pieces) if self._pieces else np.empty(0, np.int16)


class TranscriptionEndpoint:
    """See `runtime.engines.protocols.SpeechToText`."""

    def __init__(self, endpoint: Endpoint, options: TranscriptionOptions) -> None:
        self.endpoint, self.options = endpoint, options
        self.metrics = EngineMetrics("stt")

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """Transcribe half a second of silence, whatever comes out."""
        await self.transcribe(np.zeros(RATE_HZ // 2, np.int16), WARM_UP_FIRST_BYTE_MS)

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    async def open(self) -> TranscribedWhole:
        return TranscribedWhole(self.transcribe)

    async def transcribe(self, samples: Int16Array, first_byte_ms: float | None = None) -> str:
        """Raises EngineError."""
        fields = {"model": self.options.model, "response_format": "json"}
        if self.options.language:
            fields["language"] = self.options.language
        fields.update({name: str(value) for name, value in self.options.extra.items()})
        files = {"file": ("utterance.wav", wav_bytes(samples, RATE_HZ), "audio/wav")}
        with self.metrics.request() as request:
            call = self.endpoint.answer("/audio/transcriptions", data=fields, files=files, first_byte_ms=first_byte_ms)
            async with call as answer:
                said = await answer.text()
            request.first()
            try:
                text = json.loads(said)["text"]
                if not isinstance(text, str):
                    raise TypeError("no text")
            except (ValueError, KeyError, TypeError) as error:
                shown = self.endpoint.without_key(said)
                raise EngineError(f"{self.endpoint.name}: not a transcription: {shown}") from error
        return text.strip()


@dataclass
class TranscribedWhole:
    """See `runtime.engines.protocols.Transcription`: the sound is kept, and `transcribe` gets all of it at the end."""

    transcribe: Callable[[Int16Array], Awaitable[str]]
    _utterance: Utterance = field(default_factory=Utterance)

    def push(self, samples: Int16Array) -> None:
        self._utterance.push(samples)

    async def finish(self) -> Heard:
        return Heard(await self.transcribe(self._utterance.samples()))

    async def drop(self) -> None:
        self._utterance = Utterance()
