"""Text to speech by Piper's neural voice on one core: 22,050 Hz, the first packet 20 to 50 ms after the text.

Phonemes come from espeak-ng's process; onnxruntime computes in threads of this one, without the GIL. Rooms share them packet by
packet. A segment that is cancelled ends inside its packet. The same text gives the same samples, and no volume is fitted to a
segment: that would need all of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from runtime.call.bridge import ends_sentence
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.worker import Worker
from runtime.voice.packets import packets
from runtime.voice.pieces import pieces
from runtime.voice.piper import ESPEAK_VOICE, MODEL_FILE, RATE_HZ, id_map, phoneme_ids, voice_folder
from runtime.voice.piper_stages import Interrupt, PiperStages, Samples

PHONEMES_MODULE = "runtime.engines.espeak_process"


class PiperTextToSpeech:
    """See `runtime.engines.protocols.TextToSpeech`. `at_once`: segments that are computed side by side, a core each."""

    rate_hz = RATE_HZ

    def __init__(self, at_once: int = 1) -> None:
        self.metrics = EngineMetrics("tts")
        self._threads = ThreadPoolExecutor(min(at_once, os.cpu_count() or 1), thread_name_prefix="piper")
        self._stages: PiperStages | None = None
        self._worker = Worker(PHONEMES_MODULE)
        self._lock = asyncio.Lock()
        self._asked = 0

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """Raises EngineError where the voice is not in the cache."""
        if self._stages is None:
            try:
                self._stages = await self._in_thread(_loaded, voice_folder())
            except OSError as error:
                raise EngineError(f"tts: {error}") from error
        async for _ in self.speak("Ready."):
            pass

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        """Raises EngineError."""
        if self._stages is None:
            raise EngineError("tts: the neural voice is not loaded; warm_up comes first")
        stop = Interrupt()
        try:
            with self.metrics.request() as request:
                for sentence in await self._phonemes(text):
                    for piece in pieces(sentence):
                        said = packets(self._stages, phoneme_ids(piece, id_map()), stop)
                        while (samples := await self._in_thread(_next, said)) is not None:
                            request.first()
                            yield samples
        finally:
            stop.set()

    async def _phonemes(self, text: str) -> list[str]:
        """The sentences of a text. A segment that ends inside its sentence gets no full stop, which would be heard."""
        text = text.strip()
        async with self._lock:
            await self._worker.ensure()
            self._asked += 1
            self._worker.send({"do": "phonemes", "request": self._asked, "text": text, "voice": ESPEAK_VOICE})
            answer: dict[str, Any] = {}
            while answer.get("request") != self._asked:  # of one that was cancelled meanwhile
                answer, _ = await self._worker.receive()
                if "error" in answer:
                    raise EngineError(answer["error"])
        sentences: list[str] = answer["sentences"]
        if sentences and not ends_sentence(text):
            sentences[-1] = sentences[-1].removesuffix(".")
        return sentences

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._worker.aclose()


@cache
def _loaded(folder: Path) -> PiperStages:
    """One for all engines of a process: 90 MB that nothing changes."""
    return PiperStages((folder / MODEL_FILE).read_bytes())


def _next(said: Iterator[Samples]) -> Int16Array | None:
    """The next packet in 16 bit; None at the end."""
    samples = next(said, None)
    return None if samples is None else np.clip(np.rint(32_767 * samples), -32_768, 32_767).astype(np.int16)
