"""Says "Yes" into the user's words, to show that it listens, and answers when they are over."""

import numpy as np
from livekit import rtc
from stranger import EAR_MS, HEARD_ABOVE, Stranger, run_stranger, voice

AFTER_MS = 400.0  # of the user's voice


class Backchannels(Stranger):
    async def _listen(self, track: rtc.Track) -> None:
        self.also(super()._listen(track))
        spoke_ms = 0.0
        async for event in rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=EAR_MS):
            samples = np.frombuffer(event.frame.data, np.int16) / 32768.0
            spoke_ms += EAR_MS * bool(np.sqrt(np.mean(samples**2)) > HEARD_ABOVE)
            if spoke_ms >= AFTER_MS:
                await self.mouth.say(voice("yes"))
                return

    async def interrupted(self) -> None:
        pass


if __name__ == "__main__":
    run_stranger(Backchannels)
