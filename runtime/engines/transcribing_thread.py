"""A recogniser that takes an utterance whole and works in a thread of its own, one utterance at a time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.openai_transcription import RATE_HZ, TranscribedWhole
from runtime.engines.protocols import Int16Array


class TranscribingThread(ABC):
    """See `runtime.engines.protocols.SpeechToText`."""

    def __init__(self) -> None:
        self.metrics = EngineMetrics("stt")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")

    @abstractmethod
    def _transcribed(self, samples: Int16Array) -> str:
        """Called in the thread. Raises EngineError."""

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """Raises EngineError."""
        await self.transcribe(np.zeros(RATE_HZ // 2, np.int16))

    async def aclose(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def open(self) -> TranscribedWhole:
        return TranscribedWhole(self.transcribe)

    async def transcribe(self, samples: Int16Array) -> str:
        """Raises EngineError. A cancel cannot stop the thread's work; its result is dropped."""
        with self.metrics.request() as request:
            text = await asyncio.get_running_loop().run_in_executor(self._thread, self._transcribed, samples)
            request.first()
        return text
