"""The embedded engines over HTTP as OpenAI's API, so that its clients can be tried without a key, cloud or GPU.

    POST /v1/chat/completions      streamed or not; text, or sound as `input_audio` parts
    POST /v1/audio/speech          streamed: pcm (16 bit, 24 kHz) or wav
    POST /v1/audio/transcriptions  multipart with a sound file
    GET  /v1/audio/stream          a WebSocket: speech to text in the protocol of Vosk's servers
    GET  /v1/models, /health

Work ends when its client goes away. With a key, requests need `Authorization: Bearer KEY`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web
from aiohttp.multipart import BodyPartReader

from runtime.audio.resampler import StreamingResampler
from runtime.engine_server.requests import (
    LARGEST_BODY_BYTES,
    ChatBody,
    RequestError,
    SpeechBody,
    error,
    read_body,
)
from runtime.engine_server.vosk import vosk_conversation
from runtime.engines.engine_set import Engines
from runtime.engines.openai_chat import CUT_SHORT
from runtime.engines.protocols import EngineError, Heard, Int16Array
from runtime.engines.scripted import INTENTS
from runtime.engines.wav_bytes import samples_of, streamed_wav_header
from runtime.loopback import bears

log = logging.getLogger(__name__)

MODELS = {"chat": "scripted", "speech": "espeak-ng", "transcription": "pocketsphinx"}
SPEECH_HZ = 24_000
HEARD_HZ = 16_000
PIECE_SAMPLES = 512
PHRASES = tuple(phrase for _, phrases in INTENTS for phrase in phrases)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def words_of(heard: Heard) -> str:
    """A transcription's words: a spotted phrase, at which the embedded recogniser is better, else its free text."""
    return max(heard.phrases, key=len) if heard.phrases else heard.text


def heard_in(text: str) -> Heard:
    lowered = text.lower()
    return Heard(text, tuple(phrase for phrase in PHRASES if phrase in lowered))


@dataclass
class EngineServer:
    """The handlers. `key` None lets everybody in."""

    engines: Engines
    key: str | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[self._guarded()])
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/audio/speech", self.speech)
        app.router.add_post("/v1/audio/transcriptions", self.transcription)
        app.router.add_get("/v1/audio/stream", self.stream)
        return app

    def _guarded(self) -> Any:
        """Key, and errors in OpenAI's form."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self.key and request.path != "/health" and not bears(request, self.key):
                return error(401, "wrong or missing key")
            try:
                return await handler(request)
            except RequestError as problem:
                return error(400, str(problem))
            except EngineError as problem:
                log.error("%s: %s", request.path, problem)
                return error(500, str(problem))
            except web.HTTPException as problem:
                return error(problem.status, problem.reason)

        return guarded

    async def health(self, _: web.Request) -> web.Response:
        report = self.engines.report()
        ok = all(engine["ok"] for engine in report.values())
        return web.json_response({"status": "ok" if ok else "degraded", "engines": report})

    async def models(self, _: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "earwitness"} for name in MODELS.values()]
        return web.json_response({"object": "list", "data": data})

    # chat

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, ChatBody)
        heard = await self._heard(body)
        interrupted = any(m.role == "assistant" and m.text().endswith(CUT_SHORT) for m in body.messages)
        tokens = self.engines.llm.open().reply(heard, interrupted=interrupted)
        completion = {"id": f"chatcmpl-{secrets.token_hex(8)}", "created": int(time.time()), "model": body.model}
        if body.stream:
            return await self._streamed_chat(request, completion, tokens, body.max_tokens)
        async with aclosing(_at_most(tokens, body.max_tokens)) as said:
            text = "".join([token async for token in said])
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return web.json_response({**completion, "object": "chat.completion", "choices": [choice]})

    async def _heard(self, body: ChatBody) -> Heard:
        """The user's last message, with its sound transcribed."""
        asked = next((message for message in reversed(body.messages) if message.role == "user"), None)
        if asked is None:
            raise RequestError("messages: none is the user's")
        words = [asked.text()]
        for part in asked.parts():
            sound = part.sound()
            if sound is not None:
                words.append(words_of(await self._transcribed(sound)))
        return heard_in(" ".join(word for word in words if word))

    async def _streamed_chat(
        self, request: web.Request, completion: dict[str, Any], tokens: AsyncGenerator[str], most: int | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)

        async def send(delta: dict[str, str], finish: str | None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            event = {**completion, "object": "chat.completion.chunk", "choices": [choice]}
            await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())

        with contextlib.suppress(ConnectionError):
            await send({"role": "assistant", "content": ""}, None)
            async with aclosing(_at_most(tokens, most)) as said:
                async for token in said:
                    await send({"content": token}, None)
            await send({}, "stop")
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
        return response

    # speech

    async def speech(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, SpeechBody)
        kind = "audio/wav" if body.response_format == "wav" else f"audio/pcm;rate={SPEECH_HZ}"
        response = web.StreamResponse(headers={"Content-Type": kind})
        async with aclosing(self._spoken(body.input)) as chunks:
            first = await anext(chunks, None)  # an engine that fails at once is a 500, not a cut stream
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                if body.response_format == "wav":
                    await response.write(streamed_wav_header(SPEECH_HZ))
                if first is not None:
                    await response.write(first.tobytes())
                async for chunk in chunks:
                    await response.write(chunk.tobytes())
                await response.write_eof()
        return response

    async def _spoken(self, text: str) -> AsyncGenerator[Int16Array]:
        """Speech at SPEECH_HZ. A slow client does not block the engine, for which others wait."""
        made: asyncio.Queue[Int16Array | None] = asyncio.Queue()

        async def speak() -> None:
            try:
                resampler = StreamingResampler(self.engines.tts.rate_hz, SPEECH_HZ)
                async with aclosing(self.engines.tts.speak(text)) as chunks:
                    async for chunk in chunks:
                        made.put_nowait(resampler.push(chunk))
                made.put_nowait(resampler.flush())
            finally:
                made.put_nowait(None)

        speaking = asyncio.create_task(speak())
        try:
            while (chunk := await made.get()) is not None:
                if len(chunk):
                    yield chunk
            await speaking
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    # transcription

    async def transcription(self, request: web.Request) -> web.StreamResponse:
        if not request.content_type.startswith("multipart/"):
            raise RequestError("expected multipart/form-data with a file")
        sound, wanted = b"", "json"
        try:
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader) and part.name == "file":
                    sound = bytes(await part.read(decode=True))
                elif isinstance(part, BodyPartReader) and part.name == "response_format":
                    wanted = await part.text()
        except (ValueError, AssertionError) as problem:
            raise RequestError(f"the form cannot be read: {problem}") from problem
        if not sound:
            raise RequestError("the form has no file")
        text = words_of(await self._transcribed(sound))
        if wanted == "text":
            return web.Response(text=text)
        return web.json_response({"text": text})

    async def _transcribed(self, sound: bytes) -> Heard:
        """Raises RequestError unless `sound` is a sound file."""
        try:
            samples = samples_of(sound, HEARD_HZ)
        except EngineError as problem:
            raise RequestError(str(problem)) from problem
        transcription = await self.engines.stt.open()
        try:
            for start in range(0, len(samples), PIECE_SAMPLES):
                transcription.push(np.asarray(samples[start : start + PIECE_SAMPLES], np.int16))
            return await transcription.finish()
        finally:
            await transcription.drop()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await vosk_conversation(request, self.engines.stt, words_of)


async def _at_most(tokens: AsyncGenerator[str], most: int | None) -> AsyncGenerator[str]:
    n_tokens = 0
    async with aclosing(tokens):
        async for token in tokens:
            yield token
            n_tokens += 1
            if most is not None and n_tokens >= most:
                return
