"""Text to speech by espeak-ng in a worker process: 22,050 Hz chunks as they are made, one segment at a time.

A whole sentence takes espeak-ng a few milliseconds, so a segment that is cancelled is read to its end and thrown away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np

from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.worker import Worker

MODULE = "runtime.engines.espeak_process"
RATE_WPM = 205


class EspeakTextToSpeech:
    """See `runtime.engines.protocols.TextToSpeech`. One process serves every room."""

    rate_hz = 22_050

    def __init__(self, voice: str = "en-us") -> None:
        self.voice = voice
        self._worker = Worker(MODULE)
        self._lock = asyncio.Lock()

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
        async with self._lock:
            await self._worker.ensure()
            self._worker.send({"do": "speak", "text": text, "voice": self.voice, "rate_wpm": RATE_WPM})
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
                if not done:  # cancelled inside: what is left in the pipe belongs to nobody
                    await self._worker.aclose()

    async def aclose(self) -> None:
        await self._worker.aclose()
