"""What an engine promises. Audio is int16 mono; closing an async iterator stops the work behind it.

Each engine can be warmed up, reports its state (`health`, without a network request) and counts its own work (`metrics`).
An engine serves all rooms; `open` gives what belongs to one user: a voice activity, a transcription, a conversation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from runtime.engines.metrics import EngineMetrics, Health

Int16Array = npt.NDArray[np.int16]


class EngineError(Exception):
    """An engine failed; the turn ends, the session goes on."""


class Engine(Protocol):
    """What all engines have. `warm_up` raises EngineError if the engine cannot work as it is configured."""

    @property
    def metrics(self) -> EngineMetrics: ...
    def health(self) -> Health: ...
    async def warm_up(self) -> None: ...
    async def aclose(self) -> None: ...


class VoiceActivity(Protocol):
    """One stream's detector. Fed windows of `window_samples` at `rate_hz`."""

    rate_hz: int
    window_samples: int

    def probability(self, window: Int16Array) -> float:
        """Probability that this window holds speech, 0 to 1."""
        ...


class VoiceDetection(Engine, Protocol):
    """Voice activity for every stream."""

    def open(self) -> VoiceActivity: ...


@dataclass(frozen=True)
class Heard:
    """The user's speech: free text, spotted phrases, and the sound (16 kHz) if a model takes sound."""

    text: str
    phrases: tuple[str, ...] = ()
    audio: Int16Array | None = field(default=None, compare=False, repr=False)


class Transcription(Protocol):
    """One utterance being transcribed; `push` as the sound arrives, `finish` once. `drop` gives up on it."""

    def push(self, samples: Int16Array) -> None: ...
    async def finish(self) -> Heard: ...
    async def drop(self) -> None: ...


class SpeechToText(Engine, Protocol):
    """Takes 16 kHz audio."""

    async def open(self) -> Transcription: ...


class Conversation(Protocol):
    """One user's dialogue, turn by turn."""

    @property
    def repeatable(self) -> bool:
        """Whether a reply may be asked for ahead and thrown away, at no cost and without a trace."""
        ...

    def reply(self, heard: Heard, *, interrupted: bool) -> AsyncGenerator[str]:
        """Tokens of the reply, as they come."""
        ...

    def spoken(self, text: str) -> None:
        """The last reply was cut short after `text`; empty: none of it was heard, the user went on speaking."""
        ...


class LanguageModel(Engine, Protocol):
    def open(self) -> Conversation: ...


class TextToSpeech(Engine, Protocol):
    """Speaks one segment; chunks at `rate_hz` as they are made."""

    rate_hz: int

    def speak(self, text: str) -> AsyncGenerator[Int16Array]: ...
