"""Speech to text over a WebSocket, while the user speaks, in the protocol of Vosk's servers (also Kaldi's, sherpa's adapters):

→ `{"config": {"sample_rate": 16000}}`, then binary s16le as it comes, then `{"eof": 1}`; ← `{"partial": …}` at any time,
`{"text": …}` for each final piece; the server closes after the one that answers the eof.

The transcription's own task connects while sound already comes; `finish` raises its errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from runtime.engines.endpoint import EngineTimeoutError, StreamCutError, Timeouts
from runtime.engines.metrics import EngineMetrics, Health
from runtime.engines.openai_transcription import LONGEST_UTTERANCE_S, RATE_HZ
from runtime.engines.protocols import EngineError, Heard, Int16Array

LARGEST_MESSAGE_BYTES = 2**20
CLOSE_TIMEOUT_S = 1.0


class WebSocketSpeechToText:
    """See `runtime.engines.protocols.SpeechToText`. `key`, if any, goes into the Authorization header."""

    def __init__(self, url: str, key: str | None, timeouts: Timeouts) -> None:
        self.url, self.timeouts = url, timeouts
        self.name = f"stt {url}"
        self.metrics = EngineMetrics("stt")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    def health(self) -> Health:
        return self.metrics.health()

    async def warm_up(self) -> None:
        transcription = await self.open()
        transcription.push(np.zeros(RATE_HZ // 2, np.int16))
        await transcription.finish()

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def open(self) -> WebSocketTranscription:
        return WebSocketTranscription(self)

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        """Raises EngineError."""
        wait = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S)
        try:
            async with asyncio.timeout(self.timeouts.connect_ms / 1e3):
                return await self.session().ws_connect(
                    self.url, headers=self._headers, max_msg_size=LARGEST_MESSAGE_BYTES, timeout=wait
                )
        except TimeoutError as error:
            raise EngineTimeoutError(self.name, "connect", self.timeouts.connect_ms) from error
        except aiohttp.ClientError as error:
            raise EngineError(f"{self.name}: cannot be reached: {self.without_key(str(error))}") from error

    def without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


@dataclass
class WebSocketTranscription:
    """See `runtime.engines.protocols.Transcription`. Owns one task, ended by `finish` or `drop`."""

    owner: WebSocketSpeechToText
    _sound: asyncio.Queue[Int16Array | None] = field(default_factory=asyncio.Queue)
    _ended: bool = False
    _room: int = int(LONGEST_UTTERANCE_S * RATE_HZ)

    def __post_init__(self) -> None:
        self._task = asyncio.create_task(self._converse(), name=f"transcription {self.owner.url}")
        self._task.add_done_callback(_seen)

    def push(self, samples: Int16Array) -> None:
        if self._room > 0:
            self._sound.put_nowait(samples[: self._room])
            self._room -= len(samples)

    async def finish(self) -> Heard:
        """Raises EngineError."""
        limits = self.owner.timeouts
        self._sound.put_nowait(None)
        self._ended = True
        with self.owner.metrics.request() as request:
            try:
                async with asyncio.timeout(limits.first_byte_ms / 1e3):
                    text = await self._task
            except TimeoutError as error:
                raise EngineTimeoutError(self.owner.name, "first byte", limits.first_byte_ms) from error
            finally:
                await self.drop()
            request.first()
        return Heard(text)

    async def drop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _converse(self) -> str:
        socket = await self.owner.connect()
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(socket))
                texts = await self._receive(socket)
                sending.cancel()
        except* EngineError as errors:
            raise errors.exceptions[0] from None
        except* (aiohttp.ClientError, ConnectionError) as errors:
            said = self.owner.without_key(str(errors.exceptions[0]))
            raise StreamCutError(f"{self.owner.name}: the connection was lost: {said}") from errors
        finally:
            await socket.close()
        return " ".join(text for text in texts if text)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_str(json.dumps({"config": {"sample_rate": RATE_HZ}}))
        while (samples := await self._sound.get()) is not None:
            await socket.send_bytes(samples.tobytes())
        await socket.send_str(json.dumps({"eof": 1}))

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> list[str]:
        """The final pieces, until the server closes."""
        texts: list[str] = []
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE and self._ended and texts:
                return texts
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise StreamCutError(
                    f"{self.owner.name}: the connection ended before the transcript ({message.type.name})"
                )
            piece = self._piece(message.data)
            if piece is not None:
                texts.append(piece)

    def _piece(self, data: str) -> str | None:
        """The text of a final piece; None for a partial one. Raises EngineError."""
        try:
            said = json.loads(data)
            if not isinstance(said, dict):
                raise TypeError("no mapping")
            if "error" in said:
                raise EngineError(f"{self.owner.name}: {self.owner.without_key(str(said['error']))[:200]}")
            if "text" not in said:
                return None
            if not isinstance(said["text"], str):
                raise TypeError("no text")
        except (ValueError, TypeError) as error:
            raise EngineError(f"{self.owner.name}: not a transcription: {data[:100]!r}") from error
        return str(said["text"]).strip()


def _seen(task: asyncio.Task[str]) -> None:
    """Mark a dropped utterance's error as handled."""
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
