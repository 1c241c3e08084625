"""Speech to text over a WebSocket in Vosk's protocol: see `runtime.engines.websocket_stt`. Takes 16 kHz only."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from aiohttp import WSMsgType, web

from runtime.engines.protocols import EngineError, Heard, SpeechToText

RATE_HZ = 16_000
LARGEST_MESSAGE_BYTES = 2**20


async def vosk_conversation(
    request: web.Request, stt: SpeechToText, words_of: Callable[[Heard], str]
) -> web.WebSocketResponse:
    """Serve until the client's eof is answered, or it goes away."""
    socket = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE_BYTES)
    await socket.prepare(request)
    transcription = await stt.open()
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY and len(message.data) % 2 == 0:
                transcription.push(np.frombuffer(message.data, np.int16))
                continue
            asked = _asked(message.data) if message.type is WSMsgType.TEXT else None
            if asked is None or asked.get("config", {}).get("sample_rate", RATE_HZ) != RATE_HZ:
                await socket.send_json({"error": f"expected 16 bit samples at {RATE_HZ} Hz, or eof"})
                break
            if asked.get("eof"):
                await socket.send_json({"text": words_of(await transcription.finish())})
                break
    except EngineError as error:
        await socket.send_json({"error": str(error)})
    finally:
        await transcription.drop()
    await socket.close()
    return socket


def _asked(text: str) -> dict | None:
    try:
        asked = json.loads(text)
    except ValueError:
        return None
    return asked if isinstance(asked, dict) and isinstance(asked.get("config", {}), dict) else None
