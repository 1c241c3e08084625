"""Greets some seconds after it joined, and publishes the words: `greets.py SECONDS [SECONDS_OF_PAUSE_INSIDE]`."""

import asyncio

from stranger import Stranger, run_stranger, silence, text, voice


class Greets(Stranger):
    async def greet(self) -> None:
        after_s, *pause_s = map(float, self.arguments)
        await asyncio.sleep(after_s)
        await self.tell(text("greeting"))
        await self.mouth.say(voice("greeting"))
        for seconds in pause_s:
            await self.mouth.say(silence(seconds))
            await self.mouth.say(voice("filler"))


if __name__ == "__main__":
    run_stranger(Greets)
