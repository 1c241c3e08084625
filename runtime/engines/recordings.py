"""Recordings as a voice: a segment is answered by one of a folder's recordings, whatever it says. 48 kHz, int16.

Which one is decided by the segment's words (the same words, the same recording, in every run) or goes in turn, by name.
Silence before and after the words is left out, as a synthesiser has none.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from runtime.cached import cached
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.protocols import EngineError, Int16Array
from runtime.engines.wav_bytes import samples_of

Order = Literal["text", "turn"]
HUMAN_FOLDER = "human-suite"  # in the cache, made by `earwitness setup --human`
AGENTS = "agents"  # in it: what an agent may say
SUFFIXES = (".wav", ".flac", ".ogg")
RATE_HZ = 48_000
CHUNK_SAMPLES = RATE_HZ // 50
SILENT = 10 ** (-50 / 20) * 32_768
BEFORE_SAMPLES, AFTER_SAMPLES = RATE_HZ // 200, RATE_HZ // 25  # kept of the quiet around the words
KEPT_DECODED = 64


def human_voices() -> Path:
    """Where `earwitness setup --human` puts what an agent may say."""
    return cached(HUMAN_FOLDER) / AGENTS


class RecordingsTextToSpeech:
    """See `runtime.engines.protocols.TextToSpeech`. `folder`: None for the human recordings in the cache."""

    rate_hz = RATE_HZ

    def __init__(self, folder: Path | None = None, order: Order = "text") -> None:
        self.metrics = EngineMetrics("tts")
        self._folder = folder
        self._order = order
        self._paths: Sequence[Path] = ()
        self._next = 0
        self._decoded = lru_cache(maxsize=KEPT_DECODED)(_words_of)

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        """Raises EngineError if there is no recording, or the first cannot be read."""
        self._paths = await asyncio.to_thread(_recordings_in, self._folder)
        await asyncio.to_thread(self._decoded, self._paths[0])

    async def aclose(self) -> None:
        return

    async def speak(self, text: str) -> AsyncGenerator[Int16Array]:
        """Raises EngineError if the recording cannot be read."""
        with self.metrics.request() as request:
            samples = await asyncio.to_thread(self._decoded, self._chosen(text))
            for start in range(0, len(samples), CHUNK_SAMPLES):
                request.first()
                yield samples[start : start + CHUNK_SAMPLES]

    def _chosen(self, text: str) -> Path:
        if not self._paths:
            raise EngineError("recordings: the engine was not warmed up")
        if self._order == "text":
            return self._paths[zlib.crc32(" ".join(text.lower().split()).encode()) % len(self._paths)]
        self._next += 1
        return self._paths[(self._next - 1) % len(self._paths)]


def _recordings_in(folder: Path | None) -> list[Path]:
    """By name. Raises EngineError."""
    place = human_voices() if folder is None else folder
    try:
        found = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        hint = "run `earwitness setup --human`, or name a folder" if folder is None else "name a folder that is there"
        raise EngineError(f"recordings: {place}: {error.strerror}; {hint}") from error
    if not found:
        raise EngineError(f"recordings: {place}: there is no {', '.join(SUFFIXES)} in it")
    return found


def _words_of(path: Path) -> Int16Array:
    """Raises EngineError."""
    try:
        samples = samples_of(path.read_bytes(), RATE_HZ)
    except OSError as error:
        raise EngineError(f"recordings: {path}: {error.strerror}") from error
    except EngineError as error:
        raise EngineError(f"recordings: {path}: {error}") from error
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SILENT)
    if not len(loud):
        raise EngineError(f"recordings: {path}: nothing is said in it")
    return samples[max(0, loud[0] - BEFORE_SAMPLES) : loud[-1] + AFTER_SAMPLES]
