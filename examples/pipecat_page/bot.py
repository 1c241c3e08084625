"""A Pipecat bot over SmallWebRTC with its own page, and local stand-ins for STT, LLM and TTS: no key, no model download.

It knows nothing of Earwitness. Run it in an environment of its own (see requirements.txt):

    earwitness run --no-room --limits field --agent-join-s 90 question_short --page "http://127.0.0.1:{port}/" --agent \
        "command: bot-env/bin/python examples/pipecat_page/bot.py --port {port}"

By hand: `python bot.py --port 7860`, then http://127.0.0.1:7860/ in a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse
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
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import SmallWebRTCRequest, SmallWebRTCRequestHandler
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

PAGE = Path(__file__).with_name("index.html")
RATE_HZ = 24_000
FRAME_BYTES = 2 * RATE_HZ // 50


class HeardSomething(SegmentedSTTService):
    """An STT that says that something was said."""

    async def run_stt(self, audio: bytes) -> AsyncIterator[Frame]:
        yield TranscriptionFrame("something was said", "user", time_now_iso8601())


class LocalModel(LLMService):
    """Answers everything with one sentence."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        if os.environ.get("BOT_CRASHES"):  # to see what becomes of such a call
            os._exit(7)
        await self.push_frame(LLMFullResponseStartFrame())
        for word in ("This", "is", "the", "local", "bot."):
            await self.push_frame(LLMTextFrame(word + " "))
        await self.push_frame(LLMFullResponseEndFrame())


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

    async def run_tts(self, text: str, context_id: str) -> AsyncIterator[Frame]:
        if os.environ.get("BOT_IS_SILENT"):
            return
        for start in range(0, len(self._sound), FRAME_BYTES):
            yield TTSAudioRawFrame(self._sound[start : start + FRAME_BYTES], RATE_HZ, 1, context_id=context_id)


async def talk(connection: SmallWebRTCConnection) -> None:
    transport = SmallWebRTCTransport(connection, TransportParams(audio_in_enabled=True, audio_out_enabled=True))
    detector = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=detector)
    pipeline = Pipeline(
        [transport.input(), HeardSomething(), user, LocalModel(), LocalVoice(), transport.output(), assistant]
    )
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_out_sample_rate=RATE_HZ))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def site() -> FastAPI:
    app, handler, calls = FastAPI(), SmallWebRTCRequestHandler(), set()

    async def begin(connection: SmallWebRTCConnection) -> None:
        call = asyncio.create_task(talk(connection))
        calls.add(call)
        call.add_done_callback(calls.discard)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE)

    @app.post("/api/offer")
    async def offer(sent: dict) -> dict | None:
        return await handler.handle_web_request(SmallWebRTCRequest.from_dict(sent), begin)

    return app


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=7860)
    uvicorn.run(site(), host="127.0.0.1", port=options.parse_args().port)
