"""The engines that can be asked to speak: our `/tts/stream`, or any `/v1/audio/speech` that streams raw PCM (s16le mono).

Each says who it is (the pin) and gives a synthesis with the time of each piece. SpeakError: the engine was asked and did not
speak the whole text, which is its fault; HarnessError: it could not be asked.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import numpy as np

from harness.errors import HarnessError
from harness.model.tts import Pin
from harness.tts_regression.spoken import Arrival, Spoken

SPEAK_TIMEOUT_S = 120.0
SAID_CHARS = 200


class SpeakError(Exception):
    """The engine did not speak the whole text."""


class Target(Protocol):
    url: str

    async def pin(self) -> Pin: ...
    async def speak(self, text: str) -> Spoken: ...


@dataclass
class StreamTarget:
    """A server like `earwitness serve-tts`; `base` without a path."""

    client: aiohttp.ClientSession
    base: str
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"{self.base}/tts/stream"

    async def pin(self) -> Pin:
        """Raises HarnessError."""
        try:
            async with self.client.get(f"{self.base}/health") as answer:
                speaks = (await answer.json())["speaks"]
            return Pin(model=None, **speaks)
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise HarnessError(f"{self.base}/health does not say who speaks: {error!r}") from error

    async def speak(self, text: str) -> Spoken:
        return await spoken_by(self.client, self.url, {"text": text}, None)


@dataclass
class SpeechTarget:
    """OpenAI's `/v1/audio/speech`. `version`: the user's own name for what runs there; the API reports none."""

    client: aiohttp.ClientSession
    url: str
    model: str
    voice: str
    rate_hz: int
    version: str | None
    parameters: dict[str, float | str | bool] = field(default_factory=dict)

    async def pin(self) -> Pin:
        return Pin(
            engine="speech endpoint", version=self.version, model=self.model, voice=self.voice, rate_hz=self.rate_hz,
            parameters=self.parameters,
        )  # fmt: skip

    async def speak(self, text: str) -> Spoken:
        body = {"model": self.model, "voice": self.voice, "input": text, "response_format": "pcm"}
        return await spoken_by(self.client, self.url, {**body, **self.parameters}, self.rate_hz)


async def spoken_by(client: aiohttp.ClientSession, url: str, body: dict[str, Any], rate_hz: int | None) -> Spoken:
    """`rate_hz`: the rate it must have; None: as its Content-Type says. Raises SpeakError, HarnessError."""
    clock = asyncio.get_running_loop().time
    timeout = aiohttp.ClientTimeout(total=SPEAK_TIMEOUT_S)
    pieces: list[tuple[float, bytes]] = []
    began_s = clock()
    try:
        async with client.post(url, json=body, timeout=timeout) as answer:
            if answer.status != 200:
                raise SpeakError(f"answered {answer.status}: {(await answer.text(errors='replace'))[:SAID_CHARS]}")
            kind = answer.headers.get("Content-Type", "")
            if kind.startswith(("application/json", "text/")):
                raise SpeakError(f"answered {kind} where sound is expected")
            while piece := await answer.content.readany():
                pieces.append((clock() - began_s, piece))
            whole_s = clock() - began_s
    except aiohttp.ClientConnectorError as error:
        raise HarnessError(f"{url}: cannot be reached: {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SpeakError(f"the stream was cut: {error!r}") from error
    return _spoken(pieces, whole_s, _rate(kind, rate_hz))


def _rate(kind: str, rate_hz: int | None) -> int:
    """Raises SpeakError."""
    named = re.search(r"\brate=(\d+)", kind)
    if rate_hz is None and named is None:
        raise SpeakError(f"Content-Type {kind!r} does not say the rate")
    if rate_hz is not None and named is not None and int(named[1]) != rate_hz:
        raise SpeakError(f"speaks at {named[1]} Hz, expected {rate_hz}; give --rate-hz")
    return rate_hz if rate_hz is not None else int(named[1]) if named is not None else 0


def _spoken(pieces: list[tuple[float, bytes]], whole_s: float, rate_hz: int) -> Spoken:
    """Raises SpeakError."""
    data = b"".join(piece for _, piece in pieces)
    if data[:4] == b"RIFF":
        raise SpeakError("gave a WAV though raw PCM was asked for")
    if len(data) % 2:
        raise SpeakError("the sound ended inside a sample")
    arrivals: list[Arrival] = []
    n_bytes = 0
    for at_s, piece in pieces:
        n_bytes += len(piece)
        if n_bytes // 2 > (arrivals[-1].n_samples if arrivals else 0):
            arrivals.append(Arrival(at_s, n_bytes // 2))
    return Spoken(np.frombuffer(data, "<i2").astype(np.int16), rate_hz, tuple(arrivals), whole_s)
