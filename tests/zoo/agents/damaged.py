"""What it says is damaged before it is published: `damaged.py holes | clicks | clipped | bytes`."""

import numpy as np
from stranger import RATE_HZ, Stranger, run_stranger, voice


class Damaged(Stranger):
    async def answer(self) -> None:
        sound = voice("story").copy()
        for at in range(RATE_HZ // 2, len(sound) - RATE_HZ // 2, RATE_HZ // 2):
            if self.arguments[0] == "holes":
                sound[at : at + RATE_HZ // 10] = 0
            elif self.arguments[0] == "clicks":
                sound[at : at + 48] = np.where(np.arange(48) % 2, 32767, -32768)
        if self.arguments[0] == "clipped":
            sound = np.clip(sound.astype(np.int32) * 12, -32768, 32767).astype(np.int16)
        if self.arguments[0] == "bytes":  # one is lost after a second
            sound[RATE_HZ:] = np.frombuffer(sound[RATE_HZ:].tobytes()[1:] + b"\0", np.int16)
        await self.mouth.say(sound)


if __name__ == "__main__":
    run_stranger(Damaged)
