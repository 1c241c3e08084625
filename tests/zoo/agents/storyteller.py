"""Tells a story, and falls silent when it is interrupted."""

from stranger import Stranger, run_stranger, voice


class Storyteller(Stranger):
    async def answer(self) -> None:
        await self.mouth.say(voice("story" if self.turns == 1 else "answer"))


if __name__ == "__main__":
    run_stranger(Storyteller)
