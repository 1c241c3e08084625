"""Speaks softly: `softly.py DB` below the others' level of −20 dBFS."""

import numpy as np
from stranger import Stranger, run_stranger, voice


class Softly(Stranger):
    async def answer(self) -> None:
        gain = 10 ** (-float(self.arguments[0]) / 20)
        await self.mouth.say(np.asarray(voice("answer") * gain, np.int16))


if __name__ == "__main__":
    run_stranger(Softly)
