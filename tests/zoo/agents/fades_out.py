"""Tells a story; when it is interrupted it fades out over 300 ms, and answers."""

from stranger import RATE_HZ, Stranger, run_stranger, voice

FADE = int(0.3 * RATE_HZ)


class FadesOut(Stranger):
    async def answer(self) -> None:
        await self.mouth.say(voice("story" if self.turns == 1 else "answer"))

    async def interrupted(self) -> None:
        self.mouth.fade(FADE)


if __name__ == "__main__":
    run_stranger(FadesOut)
