"""Voice activity by Silero, behind the engines' protocol: a detector for each stream, one model for all."""

from __future__ import annotations

import asyncio

from runtime.audio.vad_silero import SileroVad
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError


class SileroDetection:
    """See `runtime.engines.protocols.VoiceDetection`. A request is a stream that was opened."""

    def __init__(self) -> None:
        self.metrics = EngineMetrics("vad")

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """Raises EngineError."""
        try:
            await asyncio.to_thread(SileroVad)
        except FileNotFoundError as error:
            raise EngineError(f"{error}") from error

    async def aclose(self) -> None:
        return

    def open(self) -> SileroVad:
        with self.metrics.request():
            return SileroVad()
