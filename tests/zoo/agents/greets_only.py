"""Greets, and answers nothing for ever."""

from stranger import Stranger, run_stranger, voice


class GreetsOnly(Stranger):
    async def greet(self) -> None:
        await self.mouth.say(voice("greeting"))

    async def answer(self) -> None:
        pass


if __name__ == "__main__":
    run_stranger(GreetsOnly)
