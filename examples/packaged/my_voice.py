"""An agent that answers with a chord, a page, and an engine for the reference agent; see pyproject.toml for their names.

The agent is a process of its own (`python my_voice.py`), so that what it computes does not disturb the measurement.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from earwitness import Call

RATE_HZ = 48_000
FRAME = 960  # 20 ms
QUIET_FRAMES = 20  # of the user, before it answers
LOUD = 600  # of 32767


class ChordAgent:
    """What `earwitness.Agent` asks for."""

    @asynccontextmanager
    async def attend(self, call: Call) -> AsyncIterator[None]:
        env = {**os.environ, "LIVEKIT_URL": call.livekit_url, "LIVEKIT_TOKEN": call.token}
        process = await asyncio.create_subprocess_exec(sys.executable, __file__, env=env, stdin=asyncio.subprocess.PIPE)
        try:
            yield
        finally:
            process.kill()
            await process.wait()


class MyPage:
    """What `earwitness.Page` asks for."""

    url = "https://voice.example/call?server={livekit_url}#token={token}"
    script: Path | None = None


class Beep:
    """A text-to-speech engine that takes a tenth of a second for each character."""

    rate_hz = 24_000

    async def warm_up(self) -> None:
        return

    async def aclose(self) -> None:
        return

    async def speak(self, text: str) -> AsyncGenerator[np.ndarray]:
        for index in range(len(text)):
            t = np.arange(self.rate_hz // 10) / self.rate_hz
            yield (6_000 * np.sin(2 * np.pi * (300 + 20 * (index % 8)) * t)).astype(np.int16)


def chord() -> np.ndarray:
    t = np.arange(int(1.2 * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * hz * t) for hz in (310, 470, 1230, 2110)) / 4
    return (0.3 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) * 32767).astype(np.int16)


async def main() -> None:
    from livekit import rtc

    room, source, due = rtc.Room(), rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100), asyncio.Event()
    hearing: set[asyncio.Task[None]] = set()

    async def hear(track: rtc.Track) -> None:
        quiet, spoke = 0, False
        async for event in rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=20):
            loud = np.abs(np.frombuffer(event.frame.data, np.int16).astype(np.int32)).max() > LOUD
            quiet, spoke = (0, True) if loud else (quiet + 1, spoke)
            if spoke and quiet >= QUIET_FRAMES:
                spoke = False
                due.set()

    def subscribed(track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and participant.identity != "probe":
            hearing.add(asyncio.create_task(hear(track)))

    room.on("track_subscribed", subscribed)
    await room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(track, rtc.TrackPublishOptions(dtx=False))
    silence, reply = [bytes(2 * FRAME)], [frame.tobytes() for frame in chord().reshape(-1, FRAME)]
    while True:
        frames = reply if due.is_set() else silence
        due.clear()
        for frame in frames:
            await source.capture_frame(rtc.AudioFrame(frame, RATE_HZ, 1, FRAME))  # waits while enough is queued


if __name__ == "__main__":
    asyncio.run(main())
