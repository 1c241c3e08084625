"""Text to speech by a TTS server of ours (`earwitness serve-tts`): `/tts/stream`, and `/tts/cancel` for unwanted requests.

The server answers the cancel when it is silent, so that the next request finds the engine free.
"""

from __future__ import annotations

import asyncio
import logging
import secrets

from runtime.engines.endpoint import Endpoint, EngineAnswerError
from runtime.engines.http_speech import Asked, HttpSpeech
from runtime.engines.protocols import EngineError

log = logging.getLogger(__name__)

CANCEL_TIMEOUT_S = 0.5  # after this only the closed connection informs the server
HTTP_NOT_FOUND = 404


class TtsServerSpeech(HttpSpeech):
    """See `runtime.engines.protocols.TextToSpeech`. `voice`: the voice the server must have; None: any."""

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
            if error.status != HTTP_NOT_FOUND:  # 404: the request has just ended
                log.warning("not cancelled: %s", error)
        except (EngineError, TimeoutError) as error:
            log.warning("%s: not cancelled: %r", self.endpoint.name, error)
