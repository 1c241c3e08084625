"""Publishes a video track beside its voice, as an avatar does."""

import asyncio

import numpy as np
from livekit import rtc
from stranger import Stranger, run_stranger

WIDTH, HEIGHT = 320, 180


class VideoToo(Stranger):
    async def join(self) -> None:
        await super().join()
        self.camera = rtc.VideoSource(WIDTH, HEIGHT)
        track = rtc.LocalVideoTrack.create_video_track("face", self.camera)
        await self.room.local_participant.publish_track(track)
        self.also(self.show())

    async def show(self) -> None:
        shade = 0
        while True:
            picture = np.full((HEIGHT, WIDTH, 4), shade % 255, np.uint8)
            self.camera.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
            shade += 5
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    run_stranger(VideoToo)
