"""Says back what it hears, 300 ms later: a loop in its sound set-up."""

import numpy as np
from livekit import rtc
from stranger import RATE_HZ, Stranger, run_stranger, silence


class Echoes(Stranger):
    async def _listen(self, track: rtc.Track) -> None:
        heard = [silence(0.3)]
        self.also(self._say_back(heard))
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=20):
            heard.append(np.frombuffer(event.frame.data, np.int16).copy())

    async def _say_back(self, heard: list[np.ndarray]) -> None:
        while True:
            await self.mouth.say(heard.pop(0) if heard else silence(0.02))


if __name__ == "__main__":
    run_stranger(Echoes)
