"""A small voice agent on `livekit.rtc` that knows nothing of the harness; each file beside this one changes one thing.

It joins with LIVEKIT_URL and LIVEKIT_TOKEN, publishes one audio track, hears the first user by level in frames of 20 ms,
takes HANGOVER_MS of quiet for the end of a turn, and answers with a voice from the folder ZOO_VOICE. 48 kHz mono int16.
A subclass overrides `greet`, `answer` or `interrupted`; `run_stranger(Sub)` is its main.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import wave
from pathlib import Path

import numpy as np
from livekit import rtc

RATE_HZ = 48_000
FRAME_MS = 10
HANGOVER_MS = 500.0
EAR_MS = 20
HEARD_ABOVE = 0.01  # RMS, full scale 1: the user's quietest vowels are well above, the tail of a word is below
INTERRUPTED_MS = 240.0  # of the user's voice while the agent speaks
STATE = "lk.agent.state"
WORDS = "lk.transcription"


def voice(name: str) -> np.ndarray:
    """One of the sentences in ZOO_VOICE."""
    with wave.open(str(Path(os.environ["ZOO_VOICE"]) / f"{name}.wav"), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def text(name: str) -> str:
    """The words of that sentence."""
    texts: dict[str, str] = json.loads((Path(os.environ["ZOO_VOICE"]) / "texts.json").read_text())
    return texts[name]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE_HZ), np.int16)


class Mouth:
    """One audio track. Frames are paced by absolute deadline; with `steady` there are frames of silence as well."""

    def __init__(self, rate_hz: int = RATE_HZ, channels: int = 1, *, steady: bool = True) -> None:
        self.rate_hz, self.channels, self.steady = rate_hz, channels, steady
        self.source = rtc.AudioSource(rate_hz, channels, queue_size_ms=200)
        self.bed: np.ndarray | None = None  # sounds all the time, under the voice
        self.muted = False  # no frames at all
        self._saying: np.ndarray | None = None
        self._at = 0
        self._said = asyncio.Event()
        self._to_say = asyncio.Event()

    @property
    def speaking(self) -> bool:
        return self._saying is not None

    async def publish(self, room: rtc.Room, name: str = "voice", **options: object) -> rtc.LocalTrackPublication:
        self.track = rtc.LocalAudioTrack.create_audio_track(name, self.source)
        chosen = {"source": rtc.TrackSource.SOURCE_MICROPHONE, "dtx": False, **options}
        return await room.local_participant.publish_track(self.track, rtc.TrackPublishOptions(**chosen))

    async def say(self, samples: np.ndarray) -> bool:
        """Until it is out; False if it was cut short by `hush`."""
        self._saying, self._at = samples, 0
        self._said.clear()
        self._to_say.set()
        await self._said.wait()
        return self._at >= len(samples)

    def hush(self) -> None:
        self._saying = None
        self._said.set()

    def fade(self, samples: int) -> None:
        """Softer and softer from here on, and silent after so many."""
        if self._saying is not None:
            left = self._saying[self._at : self._at + samples]
            faded = (left * np.linspace(1.0, 0.0, samples)[: len(left)]).astype(np.int16)
            self._saying = np.concatenate([self._saying[: self._at], faded])

    async def speak_for_ever(self) -> None:
        n = self.rate_hz * FRAME_MS // 1000
        due, bed_at = time.monotonic(), 0
        while True:
            if not (self.steady or self.speaking) or self.muted:
                self._to_say.clear()
                await self._to_say.wait()
                due = time.monotonic()
            frame = np.zeros(n, np.int32)
            if self.bed is not None:
                frame += np.take(self.bed, range(bed_at, bed_at + n), mode="wrap")
                bed_at = (bed_at + n) % len(self.bed)
            if self._saying is not None:
                piece = self._saying[self._at : self._at + n]
                frame[: len(piece)] += piece
                self._at += n
                if self._at >= len(self._saying):
                    self._saying = None
                    self._said.set()
            data = np.repeat(np.clip(frame, -32768, 32767).astype(np.int16), self.channels)
            await self.source.capture_frame(rtc.AudioFrame(data.tobytes(), self.rate_hz, self.channels, n))
            due += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))  # the pace of the track


class Stranger:
    """Answers every turn of the user with one sentence."""

    hangover_ms = HANGOVER_MS
    reply = "answer"

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.room = rtc.Room()
        self.mouth = self.make_mouth()
        self.turns = 0
        self.over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: asyncio.Task[None] | None = None
        self._listening_to: str | None = None

    # what a subclass changes

    def make_mouth(self) -> Mouth:
        return Mouth()

    async def join(self) -> None:
        """Into the room, with the voice published."""
        await self.connect()
        await self.mouth.publish(self.room)

    async def greet(self) -> None:
        """Once, after joining."""

    async def answer(self) -> None:
        """A turn of the user has ended; `self.turns` counts from 1."""
        await self.mouth.say(voice(self.reply))

    async def interrupted(self) -> None:
        """The user speaks while the agent does."""
        self.mouth.hush()

    # what it has of its own

    async def state(self, name: str) -> None:
        """As LiveKit's own agents tell what they do: initializing, listening, thinking, speaking."""
        await self.room.local_participant.set_attributes({STATE: name})

    async def tell(self, words: str) -> None:
        """What it says, in words, as LiveKit's own agents publish it."""
        final = {"lk.segment_id": "1", "lk.transcription_final": "true"}
        await self.room.local_participant.send_text(words, topic=WORDS, attributes=final)

    async def connect(self, **options: object) -> None:
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("disconnected", self._disconnected)
        await self.room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"], rtc.RoomOptions(**options))

    def _disconnected(self, *_: object) -> None:
        self.over.set()

    def also(self, work: object) -> None:
        """Something that goes on beside; it ends with the agent."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _subscribed(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        person = participant.attributes.get("role") != "agent"
        if track.kind == rtc.TrackKind.KIND_AUDIO and person and self._listening_to in (None, participant.identity):
            self._listening_to = participant.identity
            self.also(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        spoke_ms = quiet_ms = 0.0
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=EAR_MS)
        async for event in stream:
            samples = np.frombuffer(event.frame.data, np.int16) / 32768.0
            if np.sqrt(np.mean(samples**2)) > HEARD_ABOVE:
                spoke_ms, quiet_ms = spoke_ms + EAR_MS, 0.0
                if spoke_ms == INTERRUPTED_MS and self.mouth.speaking:
                    await self.interrupted()
            elif spoke_ms:
                quiet_ms += EAR_MS
                if quiet_ms >= self.hangover_ms:
                    spoke_ms = 0.0
                    self._turn_ended()

    def _turn_ended(self) -> None:
        self.turns += 1
        if self._answering is not None:
            self._answering.cancel()
        self._answering = asyncio.create_task(self.answer())

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.over.set)
        try:
            await self.join()
            self.also(self.mouth.speak_for_ever())
            self.also(self.greet())
            await self.over.wait()
        finally:
            tasks = [*self._tasks, *([self._answering] if self._answering is not None else [])]
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    print(f"stranger: {result!r}", file=sys.stderr)
            with contextlib.suppress(Exception):
                await self.room.disconnect()


def run_stranger(kind: type[Stranger]) -> None:
    async def main() -> None:
        await kind(*sys.argv[1:]).run()  # made inside the loop: LiveKit's objects belong to the loop they are made in

    asyncio.run(main())


if __name__ == "__main__":
    run_stranger(Stranger)
