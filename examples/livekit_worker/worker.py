"""A stock LiveKit Agents worker with local stand-ins for STT, LLM and TTS: no key, no network, no model download.

It knows nothing of Earwitness. Run it in an environment of its own (see requirements.txt), then test it with

    earwitness run --agent dispatch:local-worker --livekit-url … --limits field endpoint_short_hello

LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET come from the environment. Three settings matter on a small machine: the
load threshold (a worker above 0.7 CPU load declares itself unavailable), the load it reports (at 1.0 the media server gives
it no job), and the port of its health server (8081 unless set). WORKER_LOAD_THRESHOLD=-1 makes it declare itself
unavailable, to see what the harness says of that.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import (
    NOT_GIVEN,
    Agent,
    AgentServer,
    AgentSession,
    APIConnectOptions,
    JobContext,
    ModelSettings,
    cli,
    llm,
    stt,
    tts,
    utils,
)
from livekit.plugins import silero

AGENT_NAME = "local-worker"
RATE_HZ = 24_000
FRAME_SAMPLES = RATE_HZ // 50


class HeardSomething(stt.STT):
    """An STT that says that something was said."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: Any = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language="en", text="something was said", confidence=1.0)],
        )


class NoLLM(llm.LLM):
    """Without an llm= the session never replies; `llm_node` below is what answers."""

    def chat(self, **_: Any) -> llm.LLMStream:
        raise NotImplementedError("llm_node answers")


class NoTTS(tts.TTS):
    """Without a tts= the session never speaks; `tts_node` below is what is heard."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE_HZ, num_channels=1)

    def synthesize(self, text: str, **_: Any) -> tts.ChunkedStream:
        raise NotImplementedError("tts_node speaks")


def babble(seconds: float) -> np.ndarray:
    """A voice-like sound: 120 Hz pulses through moving formants, four syllables a second. int16, RATE_HZ."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * math.pi * np.cumsum(120 + 15 * np.sin(2 * math.pi * 0.7 * t)) / RATE_HZ
    formant_hz = 600 + 250 * np.sin(2 * math.pi * 2.1 * t)
    voice = np.zeros_like(t)
    for harmonic in range(1, 30):
        gain = np.exp(-(((harmonic * 120 - formant_hz) / 350) ** 2)) + 0.25 * np.exp(
            -(((harmonic * 120 - 2300) / 500) ** 2)
        )
        voice += gain * np.sin(harmonic * phase)
    syllables = 0.25 + 0.75 * np.sin(math.pi * (4 * t % 1)) ** 2
    voice *= syllables * np.minimum(1, np.minimum(t, seconds - t) / 0.02)
    return (0.3 * voice / np.max(np.abs(voice)) * 32767).astype(np.int16)


class LocalAgent(Agent):
    """Answers everything with one sentence."""

    def __init__(self) -> None:
        super().__init__(instructions="")

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[Any], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        for word in ("This ", "is ", "the ", "local ", "worker."):
            yield word

    async def tts_node(self, text: AsyncIterable[str], model_settings: ModelSettings) -> AsyncIterator[rtc.AudioFrame]:
        async for _ in text:
            pass
        samples = babble(1.6)
        for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            frame = samples[start : start + FRAME_SAMPLES]
            yield rtc.AudioFrame(frame.tobytes(), RATE_HZ, 1, FRAME_SAMPLES)


server = AgentServer(
    load_fnc=lambda: 0.0,  # measured load 1.0 is refused by the media server itself, whatever the threshold
    load_threshold=float(os.environ.get("WORKER_LOAD_THRESHOLD", "inf")),
    host="127.0.0.1",
    port=int(os.environ.get("WORKER_HEALTH_PORT", "0")),
    num_idle_processes=1,
)


@server.rtc_session(agent_name=AGENT_NAME)
async def entrypoint(context: JobContext) -> None:
    session: AgentSession = AgentSession(
        vad=silero.VAD.load(min_silence_duration=0.25),
        stt=HeardSomething(),
        llm=NoLLM(),
        tts=NoTTS(),
        min_endpointing_delay=0.2,
    )
    await session.start(agent=LocalAgent(), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
