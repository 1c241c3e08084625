"""Plays music: `hold_music.py before_answer DBFS`, for 2 s on a second track, or `before_greeting DBFS`, for 8 s on its own."""

import asyncio

import numpy as np
from sounds import music
from stranger import RATE_HZ, Mouth, Stranger, run_stranger, voice


class HoldMusic(Stranger):
    def music(self, seconds: int) -> np.ndarray:
        return music(float(self.arguments[1]))[: seconds * RATE_HZ]

    async def join(self) -> None:
        await super().join()
        if self.arguments[0] == "before_answer":
            self.player = Mouth()
            await self.player.publish(self.room, "background_audio")
            self.also(self.player.speak_for_ever())

    async def greet(self) -> None:
        if self.arguments[0] == "before_greeting":
            await self.mouth.say(np.concatenate([self.music(8), voice("greeting")]))

    async def answer(self) -> None:
        if self.arguments[0] == "before_answer":
            self.also(self.player.say(self.music(2)))
            await asyncio.sleep(2.0)
        await super().answer()


if __name__ == "__main__":
    run_stranger(HoldMusic)
