"""Rings before it greets, as a telephone does: `rings.py short | long`, British (0.4 s twice, 2 s) or American (2 s, 4 s)."""

import asyncio

import numpy as np
from stranger import RATE_HZ, Stranger, run_stranger, silence, voice

RINGS = {"short": ((400, 450), (0.4, 0.2, 0.4, 2.0)), "long": ((440, 480), (2.0, 4.0))}


def ring(kind: str) -> np.ndarray:
    tones, cadence = RINGS[kind]
    parts = []
    for index, seconds in enumerate(cadence):
        t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        parts.append(0.07 * sum(np.sin(2 * np.pi * hz * t) for hz in tones) if index % 2 == 0 else np.zeros(len(t)))
    return np.asarray(np.concatenate(parts) * 32767, np.int16)


class Rings(Stranger):
    answers = False  # nobody listens to a telephone that rings

    async def greet(self) -> None:
        await asyncio.sleep(0.3)
        for _ in range(2):
            await self.mouth.say(ring(self.arguments[0]))
        self.answers = True
        await self.mouth.say(np.concatenate([voice("greeting"), silence(0.1)]))

    async def answer(self) -> None:
        if self.answers:
            await super().answer()

    async def interrupted(self) -> None:
        if self.answers:
            await super().interrupted()


if __name__ == "__main__":
    run_stranger(Rings)
