"""An agent under test that misbehaves on purpose; started by `--agent "command: …"`, it knows nothing of the harness.

    python misbehaving.py MODE      (LIVEKIT_URL and LIVEKIT_TOKEN come from the environment)

Modes: good (answers with a 1.2 s tone chord 400 ms after the user falls silent), silent, noise (from the start, for
ever), clerk (good, and it publishes words with each reply, those of CLERK one after the other), crash (dies 300 ms into
its reply), endless (its reply never stops), absent (never joins), leaves (walks out in mid-reply).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import numpy as np
from livekit import rtc

RATE_HZ = 48_000
FRAME = 960
QUIET_FRAMES_BEFORE_REPLY = 20  # 400 ms
QUIET_FRAMES_BEFORE_WORDS = (
    60  # a line that a busy host tears apart is still one line: each has its own words for an answer
)
CLERK = ("One moment. What time would you like?", "I am sorry, we are full then.", "Your table is booked.")


def chord(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * f * t) for f in (310, 470, 1230, 2110)) / 4
    return (0.3 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) * 32767).astype(np.int16)


class Misbehaving:
    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.room = rtc.Room()
        self.source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
        self.reply_due = asyncio.Event()
        self.replies = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        if self.mode == "absent":
            await stop.wait()
            return
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("disconnected", lambda *_: stop.set())
        await self.room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        await self.room.local_participant.publish_track(track, rtc.TrackPublishOptions(dtx=False))
        voice = asyncio.create_task(self._voice(stop))
        try:
            await stop.wait()
        finally:
            for task in (voice, *self.tasks):
                task.cancel()
            await asyncio.gather(voice, *self.tasks, return_exceptions=True)
            await self.room.disconnect()

    def _subscribed(self, track: rtc.Track, _: object, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and participant.identity != "probe":
            self.tasks.add(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=20)
        spoke, quiet = False, 0
        patience = QUIET_FRAMES_BEFORE_WORDS if self.mode == "clerk" else QUIET_FRAMES_BEFORE_REPLY
        async for event in stream:
            level = np.sqrt(np.mean((np.frombuffer(event.frame.data, np.int16) / 32768.0) ** 2))
            if level > 0.01:
                spoke, quiet = True, 0
            elif spoke:
                quiet += 1
                if quiet >= patience:
                    spoke = False
                    self.reply_due.set()

    async def _voice(self, stop: asyncio.Event) -> None:
        rng = np.random.default_rng(1)
        reply, at = chord(1.2), -1
        while True:
            if self.reply_due.is_set() and self.mode != "silent":
                self.reply_due.clear()
                at = 0
                if self.mode == "clerk":
                    self.tasks.add(asyncio.create_task(self._publish_words()))
            frame = np.zeros(FRAME, np.int16)
            if self.mode == "noise":
                frame = (0.1 * rng.standard_normal(FRAME) * 32767).clip(-32768, 32767).astype(np.int16)
            elif at >= 0:
                frame[: len(reply[at : at + FRAME])] = reply[at : at + FRAME]
                over = 0 if self.mode == "endless" else -1
                at = at + FRAME if at + FRAME < len(reply) else over
            if at > 0.3 * RATE_HZ and self.mode == "crash":
                os._exit(7)
            if at > 0.3 * RATE_HZ and self.mode == "leaves":
                stop.set()
            await self.source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE_HZ, 1, FRAME))

    async def _publish_words(self) -> None:
        self.replies += 1
        attributes = {"lk.segment_id": f"reply-{self.replies}", "lk.transcription_final": "true"}
        words = CLERK[min(self.replies, len(CLERK)) - 1]
        await self.room.local_participant.send_text(words, topic="lk.transcription", attributes=attributes)


async def main() -> None:
    await Misbehaving(sys.argv[1]).run()  # made inside the loop: LiveKit's objects belong to the loop they are made in


if __name__ == "__main__":
    asyncio.run(main())
