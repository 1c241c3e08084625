"""Begins to answer and never ends: `endless.py story | tone`."""

from sounds import tone
from stranger import Stranger, run_stranger, voice


class Endless(Stranger):
    async def answer(self) -> None:
        sound = tone(-20.0) if self.arguments[0] == "tone" else voice("story")
        while True:
            await self.mouth.say(sound)


if __name__ == "__main__":
    run_stranger(Endless)
