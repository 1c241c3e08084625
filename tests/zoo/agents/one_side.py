"""Publishes stereo with its voice on the right side alone."""

import numpy as np
from livekit import rtc
from stranger import Mouth, Stranger, run_stranger


class OneSide(Mouth):
    def __init__(self) -> None:
        super().__init__(channels=2)
        whole = self.source.capture_frame

        async def right_alone(frame: rtc.AudioFrame) -> None:
            sides = np.frombuffer(frame.data, np.int16).reshape(-1, 2).copy()
            sides[:, 0] = 0
            await whole(rtc.AudioFrame(sides.tobytes(), frame.sample_rate, 2, frame.samples_per_channel))

        self.source.capture_frame = right_alone


class Right(Stranger):
    def make_mouth(self) -> Mouth:
        return OneSide()


if __name__ == "__main__":
    run_stranger(Right)
