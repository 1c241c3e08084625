"""Hands a whole sentence to its track at once, as soon as it has it, and leaves the pace to the track's queue."""

import asyncio

from livekit import rtc
from stranger import RATE_HZ, Stranger, run_stranger, voice

QUEUE_MS = 10_000
CHUNK = RATE_HZ // 5


class Bursts(Stranger):
    async def join(self) -> None:
        await self.connect()
        self.source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        await self.room.local_participant.publish_track(
            track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )

    async def answer(self) -> None:
        sound = voice(self.reply)
        for at in range(0, len(sound), CHUNK):
            part = sound[at : at + CHUNK]
            await self.source.capture_frame(rtc.AudioFrame(part.tobytes(), RATE_HZ, 1, len(part)))
            await asyncio.sleep(0)


if __name__ == "__main__":
    run_stranger(Bursts)
