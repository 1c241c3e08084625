"""What an engine promises. Audio is int16 mono; an async iterator that is closed stops the work behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]


class EngineError(Exception):
    """An engine failed; the turn ends, the session goes on."""


class VoiceActivity(Protocol):
    """One stream's detector. Fed windows of `window_samples` at `rate_hz`."""

    rate_hz: int
    window_samples: int

    def probability(self, window: Int16Array) -> float:
        """That this window holds speech, 0 to 1."""
        ...


@dataclass(frozen=True)
class Heard:
    """What the user said: free text, and the phrases that were spotted in it."""

    text: str
    phrases: tuple[str, ...] = ()


class Transcription(Protocol):
    """One utterance being transcribed; `push` as the sound arrives, `finish` once. `drop` gives up on it."""

    def push(self, samples: Int16Array) -> None: ...
    async def finish(self) -> Heard: ...
    async def drop(self) -> None: ...


class SpeechToText(Protocol):
    """Takes 16 kHz audio."""

    async def warm_up(self) -> None: ...
    async def open(self) -> Transcription: ...
    async def aclose(self) -> None: ...


class LanguageModel(Protocol):
    async def warm_up(self) -> None: ...
    def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        """Tokens of the reply, as they come."""
        ...


class TextToSpeech(Protocol):
    """Speaks one segment; chunks at `rate_hz` as they are made."""

    rate_hz: int

    async def warm_up(self) -> None: ...
    def speak(self, text: str) -> AsyncGenerator[Int16Array]: ...
    async def aclose(self) -> None: ...
