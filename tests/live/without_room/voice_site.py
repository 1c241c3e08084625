"""A site of pages that need no room, with the agent that one of them talks to over a WebSocket. 24 kHz, mono, 16 bit.

`answers` in the page's query says how the agent behaves: `well`, `never`, `crashes` (the connection closes when its reply is
due), `torn` (in the middle of its reply), `absent` (nobody takes the connection), `ends` (all of its program, once it has
sent its reply).
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from aiohttp import WSMsgType, web
from scipy.signal import resample_poly

HERE = Path(__file__).parent
RATE_HZ = 24_000
LOUD = 0.02 * 32768
HANGOVER_SAMPLES = RATE_HZ // 2
CHUNK = RATE_HZ // 50


class Site:
    """`said`: the agent's only reply."""

    def __init__(self, said: npt.NDArray[np.int16]) -> None:
        self.said = said
        self.url = ""
        self.over = asyncio.Event()
        self.app = web.Application()
        self.app.router.add_get("/voice", self._voice)
        self.app.router.add_post("/api/offer", self._refuse)
        self.app.router.add_get("/reply.wav", self._reply)
        self.app.router.add_static("/", HERE)

    async def _refuse(self, request: web.Request) -> web.Response:
        return web.Response(status=503, text="no bot is free")

    async def _reply(self, request: web.Request) -> web.Response:
        return web.Response(body=self._wav(), content_type="audio/wav")

    def _wav(self) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, self.said, RATE_HZ, format="WAV")
        return buffer.getvalue()

    async def _voice(self, request: web.Request) -> web.StreamResponse:
        answers = request.query.get("answers", "well")
        if answers == "absent":
            return web.Response(status=503, text="no agent is free")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        spoke, quiet = False, 0
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            pcm = np.frombuffer(message.data, "<i2")
            if np.abs(pcm.astype(np.int32)).max() > LOUD:
                spoke, quiet = True, 0
                continue
            quiet += len(pcm)
            if spoke and quiet >= HANGOVER_SAMPLES:
                spoke = False
                await self._answer(socket, answers, whole=request.query.get("plays", "graph") != "graph")
        return socket

    async def _answer(self, socket: web.WebSocketResponse, answers: str, *, whole: bool) -> None:
        if answers == "never":
            return
        if answers == "crashes":
            await socket.close()
            return
        if whole:
            await socket.send_bytes(self._wav())
            if answers == "ends":
                await asyncio.sleep(len(self.said) / RATE_HZ / 2)  # the page plays it meanwhile
                await socket.close()
                self.over.set()
            return
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        until = len(self.said) // 2 if answers == "torn" else len(self.said)
        for at in range(0, until, CHUNK):
            await socket.send_bytes(self.said[at : at + CHUNK].tobytes())
            await asyncio.sleep(max(0.0, begin_s + at / RATE_HZ - loop.time()))  # speech is sent as it is spoken
        if answers == "torn":
            await socket.close()


def reply_of(wav: Path) -> npt.NDArray[np.int16]:
    """A case's speech at the site's rate."""
    said, rate_hz = soundfile.read(wav, dtype="float32")
    assert rate_hz == 2 * RATE_HZ
    return np.asarray(np.clip(resample_poly(said, 1, 2), -1, 1) * 32767, np.int16)


@asynccontextmanager
async def served(said: npt.NDArray[np.int16], port: int = 0) -> AsyncIterator[Site]:
    site = Site(said)
    runner = web.AppRunner(site.app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield site
    finally:
        await runner.cleanup()


async def main(wav: Path, port: int) -> None:
    """An agent's program that serves its own page, until it is ended."""
    async with served(reply_of(wav), port) as site:
        await site.over.wait()
        os._exit(0)  # not after a page that keeps its connection


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
