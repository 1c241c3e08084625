"""Text to speech behind OpenAI's `/v1/audio/speech`. OpenAI's own pcm is at 24,000 Hz."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.engines.endpoint import Endpoint
from runtime.engines.http_speech import Asked, HttpSpeech
from runtime.engines.pcm import PcmFormat


@dataclass(frozen=True)
class SpeechOptions:
    model: str
    voice: str
    rate_hz: int = 24_000
    encoding: PcmFormat = "pcm"
    extra: dict[str, Any] = field(default_factory=dict)


class SpeechEndpoint(HttpSpeech):
    """See `runtime.engines.protocols.TextToSpeech`."""

    def __init__(self, endpoint: Endpoint, options: SpeechOptions) -> None:
        super().__init__(endpoint, options.rate_hz, options.encoding)
        self.options = options

    def asked(self, text: str) -> Asked:
        options = self.options
        wanted = "wav" if options.encoding == "wav" else "pcm"
        body = {"model": options.model, "voice": options.voice, "input": text.strip(), "response_format": wanted}
        return Asked("/audio/speech", {**body, **options.extra})
