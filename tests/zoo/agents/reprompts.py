"""Asks "Are you still there?" after every 4 s of silence, once it has answered."""

import asyncio

from stranger import Stranger, run_stranger, voice


class Reprompts(Stranger):
    async def answer(self) -> None:
        await super().answer()
        while True:
            await asyncio.sleep(4.0)
            await self.mouth.say(voice("still_there"))


if __name__ == "__main__":
    run_stranger(Reprompts)
