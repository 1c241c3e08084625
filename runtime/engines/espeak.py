"""Text to speech by espeak-ng in a worker process: 22,050 Hz chunks as they are made, one segment at a time.

A cancelled segment ends the process with the rest in its pipe; the next segment starts a fresh one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.worker import Worker

MODULE = "runtime.engines.espeak_process"
RATE_WPM = 205


class EspeakTextToSpeech:
    """See `runtime.engines.protocols.TextToSpeech`. One process serves every room."""

    rate_hz = 22_050

    def __init__(self, voice: str = "en-us") -> None:
        self.voice = voice
        self.metrics = EngineMetrics("tts")
        self._worker = Worker(MODULE)
        self._lock = asyncio.Lock()

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        async with self._lock:
            await self._worker.ensure()
            self._worker.send({"do": "ping"})
            answer, _ = await self._worker.receive()
        if answer["rate_hz"] != self.rate_hz:
            raise EngineError(f"espeak-ng speaks at {answer['rate_hz']} Hz, expected {self.rate_hz}")
        async for _ in self.speak("ready"):
            pass

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        """Raises EngineError if the process died; the next call starts a fresh one."""
        with self.metrics.request() as request:
            async with self._lock:
                await self._worker.ensure()
                self._worker.send({"do": "speak", "text": text.strip(), "voice": self.voice, "rate_wpm": RATE_WPM})
                async with aclosing(self._spoken()) as chunks:
                    async for chunk in chunks:
                        request.first()
                        yield chunk

    async def _spoken(self) -> AsyncGenerator[Int16Array]:
        done = False
        try:
            while not done:
                message, payload = await self._worker.receive()
                if "error" in message:
                    done = True
                    raise EngineError(message["error"])
                done = "done" in message
                if payload:
                    yield np.frombuffer(payload, np.int16)
        finally:
            if not done:  # cancelled: the rest in the pipe belongs to nobody
                await self._worker.aclose(at_once=True)

    async def aclose(self) -> None:
        await self._worker.aclose()
