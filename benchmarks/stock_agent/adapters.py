"""The reference agent's engines behind LiveKit Agents' own interfaces: pocketsphinx, the scripted dialogue, espeak-ng.

Each does what the reference agent's does, no more: sound goes to the recogniser while it is spoken, tokens come every 4 ms,
chunks are passed on as they are made. Where a turn ends is AgentSession's to decide; the recogniser learns it from a Silero
stream of its own, as LiveKit's own `stt.StreamAdapter` does for every engine that cannot tell by itself.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import NOT_GIVEN, APIConnectOptions, llm, stt, tts, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from benchmarks.stock_agent.warm import WarmWorker
from runtime.engines import espeak, sphinx
from runtime.engines.protocols import Heard, Transcription
from runtime.engines.scripted import ScriptedDialogue

RATE_HZ = 16_000
TOKEN_INTERVAL_MS = 4.0  # as in runtime.settings
UNINTELLIGIBLE = "(unintelligible)"  # AgentSession answers nothing to an empty transcript; the reference agent answers


@dataclass
class Engines:
    """One job process's engines. `heard`: what was recognised by its text, for the dialogue wants the phrases too."""

    words: WarmWorker = field(default_factory=lambda: WarmWorker(sphinx.MODULE))
    voice: WarmWorker = field(default_factory=lambda: WarmWorker(espeak.MODULE))
    heard: dict[str, Heard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stt = sphinx.SphinxSpeechToText(_idle=[self.words], _all=[self.words])
        self.tts = espeak.EspeakTextToSpeech()
        self.tts._worker = self.voice
        self.llm = ScriptedDialogue(TOKEN_INTERVAL_MS)

    def warm_up(self) -> None:
        """Both processes load at the same time."""
        for worker in (self.words, self.voice):
            worker.begin()
        for worker in (self.words, self.voice):
            worker.until_ready()

    async def aclose(self) -> None:
        for worker in (self.words, self.voice):
            await worker.ensure()  # one that was never used has to be taken over to be ended
            await worker.aclose()


class SphinxStt(stt.STT):
    def __init__(self, engines: Engines, ears: vad.VAD) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))
        self.engines, self.ears = engines, ears

    def stream(
        self, *, language: Any = NOT_GIVEN, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> stt.RecognizeStream:
        return SphinxStream(self, conn_options)

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: Any = NOT_GIVEN, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        raise NotImplementedError("it streams")


class SphinxStream(stt.RecognizeStream):
    def __init__(self, owner: SphinxStt, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=owner, conn_options=conn_options, sample_rate=RATE_HZ)
        self._owner = owner

    async def _run(self) -> None:
        ears = self._owner.ears.stream()

        async def forward() -> None:
            async for item in self._input_ch:
                if isinstance(item, rtc.AudioFrame):
                    ears.push_frame(item)
            ears.end_input()

        tasks = [asyncio.create_task(forward()), asyncio.create_task(self._recognise(ears))]
        try:
            await asyncio.gather(*tasks)
        finally:
            await utils.aio.cancel_and_wait(*tasks)
            await ears.aclose()

    async def _recognise(self, ears: vad.VADStream) -> None:
        utterance: Transcription | None = None
        async for event in ears:
            if event.type is vad.VADEventType.START_OF_SPEECH:
                utterance = await self._owner.engines.stt.open()
                self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.START_OF_SPEECH))
            if utterance is None:
                continue
            if event.type is vad.VADEventType.END_OF_SPEECH:  # its frames are the whole speech once more
                ended_s = time.time() - event.silence_duration - event.inference_duration
                self._event_ch.send_nowait(stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH, speech_end_time=ended_s))
                finished, utterance = utterance, None
                self._tell(await finished.finish(), ended_s)
                continue
            for frame in event.frames:
                utterance.push(np.frombuffer(frame.data, np.int16))

    def _tell(self, heard: Heard, ended_s: float) -> None:
        text = heard.text or UNINTELLIGIBLE
        self._owner.engines.heard[text] = heard
        self._event_ch.send_nowait(
            stt.SpeechEvent(
                stt.SpeechEventType.FINAL_TRANSCRIPT,
                alternatives=[stt.SpeechData(language="en", text=text, confidence=1.0)],
                speech_end_time=ended_s,
            )
        )


class DialogueLlm(llm.LLM):
    def __init__(self, engines: Engines) -> None:
        super().__init__()
        self.engines = engines

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[Any] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        return DialogueStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class DialogueStream(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, DialogueLlm)
        engines = self._llm.engines
        said = [m.text_content or "" for m in self._chat_ctx.messages() if m.role == "user"]
        text = said[-1] if said else ""
        heard = engines.heard.get(text, Heard(text))
        async with aclosing(engines.llm.open().reply(heard, interrupted=False)) as tokens:
            async for token in tokens:
                delta = llm.ChoiceDelta(role="assistant", content=token)
                self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


class EspeakTts(tts.TTS):
    def __init__(self, engines: Engines) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=engines.tts.rate_hz, num_channels=1
        )
        self.engines = engines

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return EspeakStream(tts=self, input_text=text, conn_options=conn_options)


class EspeakStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, EspeakTts)
        engine = self._tts.engines.tts
        output_emitter.initialize(
            request_id="segment", sample_rate=engine.rate_hz, num_channels=1, mime_type="audio/pcm"
        )
        async with aclosing(engine.speak(self.input_text)) as chunks:
            async for chunk in chunks:
                output_emitter.push(chunk.tobytes())
        output_emitter.flush()
