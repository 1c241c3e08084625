"""A Pipecat bot over LiveKit with local stand-ins for STT, LLM and TTS: no key, no network, no model download.

It knows nothing of Earwitness. Run it in an environment of its own (see requirements.txt):

    earwitness run --limits field --agent-join-s 90 question_short --agent \
        "command: bot-env/bin/python examples/pipecat_bot/bot.py"

LIVEKIT_URL, LIVEKIT_TOKEN and LIVEKIT_ROOM come from the environment.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 24_000
FRAME_BYTES = 2 * RATE_HZ // 50


class HeardSomething(SegmentedSTTService):
    """An STT that says that something was said."""

    def can_generate_metrics(self) -> bool:
        return True

    async def run_stt(self, audio: bytes) -> AsyncIterator[Frame]:
        yield TranscriptionFrame("something was said", "user", time_now_iso8601())


class LocalModel(LLMService):
    """Answers everything with one sentence."""

    def can_generate_metrics(self) -> bool:
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_ttfb_metrics()
        await self.answer(frame.context)
        await self.push_frame(LLMFullResponseEndFrame())

    async def answer(self, context: LLMContext) -> None:
        await self.say("This is the local bot.")

    async def say(self, sentence: str) -> None:
        await self.stop_ttfb_metrics()
        for word in sentence.split():
            await self.push_frame(LLMTextFrame(word + " "))


def babble(seconds: float) -> np.ndarray:
    """A voice-like sound: 120 Hz pulses through moving formants, four syllables a second. int16, RATE_HZ."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * t)) / RATE_HZ
    formant_hz = 600 + 250 * np.sin(2 * np.pi * 2.1 * t)
    voice = np.zeros_like(t)
    for harmonic in range(1, 30):
        low, high = ((harmonic * 120 - formant_hz) / 350) ** 2, ((harmonic * 120 - 2300) / 500) ** 2
        voice += (np.exp(-low) + 0.25 * np.exp(-high)) * np.sin(harmonic * phase)
    voice *= (0.25 + 0.75 * np.sin(np.pi * (4 * t % 1)) ** 2) * np.minimum(1, np.minimum(t, seconds - t) / 0.02)
    return (0.3 * voice / np.max(np.abs(voice)) * 32767).astype(np.int16)


class LocalVoice(TTSService):
    """Speaks every sentence as the same babble."""

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE_HZ, push_start_frame=True, push_stop_frames=True)
        self._sound = babble(1.6).tobytes()

    def can_generate_metrics(self) -> bool:
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncIterator[Frame]:
        for start in range(0, len(self._sound), FRAME_BYTES):
            yield TTSAudioRawFrame(self._sound[start : start + FRAME_BYTES], RATE_HZ, 1, context_id=context_id)


def livekit() -> LiveKitTransport:
    url, token, room = (os.environ[name] for name in ("LIVEKIT_URL", "LIVEKIT_TOKEN", "LIVEKIT_ROOM"))
    return LiveKitTransport(url, token, room, LiveKitParams(audio_in_enabled=True, audio_out_enabled=True))


def local_pipeline(transport: Any, model: LLMService) -> Pipeline:
    done = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)  # Pipecat's turn model may wait 3 s
    detection = LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=UserTurnStrategies(stop=[done])
    )
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=detection)
    return Pipeline(
        [transport.input(), HeardSomething(), user, model, LocalVoice(), transport.output(), assistant],
    )


async def main() -> None:
    transport = livekit()
    params = PipelineParams(enable_metrics=True, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(local_pipeline(transport, LocalModel()), params=params)
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
