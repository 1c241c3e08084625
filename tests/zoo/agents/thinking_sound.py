"""Types on a keyboard while it thinks, on a second track, and answers a second later."""

import asyncio

import numpy as np
from stranger import RATE_HZ, Mouth, Stranger, run_stranger


def typing(seconds: float) -> np.ndarray:
    """Strokes of 15 ms, seven a second, at about −40 dBFS."""
    rng = np.random.default_rng(3)
    sound = np.zeros(int(seconds * RATE_HZ))
    for at in range(0, len(sound) - RATE_HZ // 10, RATE_HZ // 7):
        n = RATE_HZ * 15 // 1000
        sound[at : at + n] = 0.03 * rng.standard_normal(n) * np.exp(-np.arange(n) / 150)
    return np.asarray(sound * 32767, np.int16)


class ThinkingSound(Stranger):
    async def join(self) -> None:
        await super().join()
        self.keyboard = Mouth()
        await self.keyboard.publish(self.room, "background_audio")
        self.also(self.keyboard.speak_for_ever())

    async def answer(self) -> None:
        self.also(self.keyboard.say(typing(1.0)))
        await asyncio.sleep(1.0)
        await super().answer()


if __name__ == "__main__":
    run_stranger(ThinkingSound)
