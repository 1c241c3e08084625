"""Text to speech by a TTS server of ours (`earwitness serve-tts`): `/tts/stream`, and `/tts/cancel` for what is not wanted.

The cancel is answered when the server is silent: what is asked next finds the engine free, not one that still speaks to nobody.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from runtime.engines.endpoint import Endpoint, EngineAnswerError
from runtime.engines.http_speech import Asked, HttpSpeech
from runtime.engines.protocols import EngineError

log = logging.getLogger(__name__)

CANCEL_TIMEOUT_S = 0.5  # then the closed connection alone tells the server
HTTP_NOT_FOUND = 404


class TtsServerSpeech(HttpSpeech):
    """See `runtime.engines.protocols.TextToSpeech`. `voice`: what the server must speak with; None: whatever it does."""

    def __init__(self, endpoint: Endpoint, rate_hz: int, voice: str | None) -> None:
        super().__init__(endpoint, rate_hz, "pcm")
        self.voice = voice

    def asked(self, text: str) -> Asked:
        body = {"text": text.strip(), "request_id": secrets.token_hex(8)}
        return Asked("/tts/stream", body if self.voice is None else {**body, "voice": self.voice})

    async def given_up(self, asked: Asked) -> None:
        body = {"request_id": asked.body["request_id"]}
        try:
            async with asyncio.timeout(CANCEL_TIMEOUT_S), self.endpoint.answer("/tts/cancel", json=body) as answer:
                await answer.text()
        except EngineAnswerError as error:
            if error.status != HTTP_NOT_FOUND:  # it has just been spoken to its end
                log.warning("not cancelled: %s", error)
        except (EngineError, TimeoutError) as error:
            log.warning("%s: not cancelled: %r", self.endpoint.name, error)
