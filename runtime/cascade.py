"""One turn of the agent: STT → dialogue → bridge → TTS → publisher, streamed; cancelled as one.

Knows no room and no state machine: it works on a TurnRecord and a Publisher and leaves both true, however it ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from runtime.bridge import segments
from runtime.engines.protocols import Heard, LanguageModel, SpeechToText, TextToSpeech, Transcription
from runtime.publisher import RATE_HZ, Publisher
from runtime.resampler import StreamingResampler
from runtime.trace import TurnRecord


@dataclass(frozen=True)
class Engines:
    stt: SpeechToText
    llm: LanguageModel
    tts: TextToSpeech


@dataclass
class Cascade:
    """`run` once. `on_transcript` is told what the user said, `on_published` of the reply's first frame."""

    engines: Engines
    publisher: Publisher
    record: TurnRecord
    carried_text: tuple[str, ...]
    interrupted: bool
    on_transcript: Callable[[str], None]
    on_published: Callable[[], None]

    async def run(self, transcription: Transcription) -> None:
        """Until the reply is played, or there is none. Raises EngineError."""
        record = self.record
        heard = await transcription.finish()
        record.stamp("stt_done")
        record.user_text = " ".join([*self.carried_text, heard.text or " ".join(heard.phrases)]).strip()
        self.on_transcript(record.user_text)
        self.publisher.begin(self.on_published)
        async with aclosing(segments(self._tokens(heard))) as pieces:
            async for segment in pieces:
                record.stamp("llm_first_segment")
                await self._speak(segment)
        record.stamp("tts_done")
        self.publisher.end()
        if record.reply_text:
            await self.publisher.played()

    async def _tokens(self, heard: Heard) -> AsyncGenerator[str]:
        async with aclosing(self.engines.llm.reply(heard, interrupted=self.interrupted)) as tokens:
            async for token in tokens:
                self.record.stamp("llm_first_token")
                self.record.reply_text += token
                yield token

    async def _speak(self, segment: str) -> None:
        self.record.stamp("tts_request")
        resampler = StreamingResampler(self.engines.tts.rate_hz, RATE_HZ)
        async with aclosing(self.engines.tts.speak(segment)) as chunks:
            async for chunk in chunks:
                self.record.stamp("tts_first_pcm")
                self.publisher.write(resampler.push(chunk))
        self.publisher.write(resampler.flush())
