"""The engines of one process, for all its rooms, and their health and figures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from runtime.engines.protocols import (
    Conversation,
    Engine,
    EngineError,
    LanguageModel,
    SpeechToText,
    TextToSpeech,
    VoiceDetection,
)
from runtime.lanes.scheduler import LaneScheduler


@dataclass(frozen=True)
class RoomEngines:
    """What one room works with: the dialogue is its own, the rest is shared."""

    vad: VoiceDetection
    stt: SpeechToText
    llm: Conversation
    tts: TextToSpeech


@dataclass(frozen=True)
class Engines:
    vad: VoiceDetection
    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech
    lanes: LaneScheduler | None = None

    def for_room(self) -> RoomEngines:
        return RoomEngines(self.vad, self.stt, self.llm.open(), self.tts)

    def by_role(self) -> dict[str, Engine]:
        return {"vad": self.vad, "stt": self.stt, "llm": self.llm, "tts": self.tts}

    async def warm_up(self) -> None:
        """Raises EngineError if one engine cannot work, without waiting for the others."""
        try:
            async with asyncio.TaskGroup() as group:
                for engine in self.by_role().values():
                    group.create_task(engine.warm_up())
        except* EngineError as errors:
            raise errors.exceptions[0] from None

    async def aclose(self) -> None:
        await asyncio.gather(*(engine.aclose() for engine in self.by_role().values()))

    def report(self) -> dict[str, Any]:
        """For /health: each engine's health and figures."""
        told: dict[str, Any] = {}
        for role, engine in self.by_role().items():
            health = engine.health()
            told[role] = {"ok": health.ok, "detail": health.detail, **engine.metrics.snapshot()}
        if self.lanes is not None:
            told["lanes"] = {"ok": True, "detail": "", **self.lanes.snapshot()}
        return told
