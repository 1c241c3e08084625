"""Plays the user's own recording back as its answer, as an agent for sound checks does."""

import numpy as np
from livekit import rtc
from stranger import RATE_HZ, Stranger, run_stranger

KEPT_S = 2.6  # the hangover, and what the user said before it


class Parrot(Stranger):
    async def _listen(self, track: rtc.Track) -> None:
        self.also(super()._listen(track))
        self.heard: list[np.ndarray] = []
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=20):
            self.heard.append(np.frombuffer(event.frame.data, np.int16).copy())

    async def answer(self) -> None:
        words = np.concatenate(self.heard)[-int(KEPT_S * RATE_HZ) :]
        loud = np.flatnonzero(np.abs(words.astype(np.int32)) > 500)
        await self.mouth.say(words[loud[0] : loud[-1]])


if __name__ == "__main__":
    run_stranger(Parrot)
