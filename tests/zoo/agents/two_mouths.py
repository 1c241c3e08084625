"""Says its filler on one track and its answer on another: two players in one agent."""

import asyncio

from stranger import Mouth, Stranger, run_stranger, voice


class TwoMouths(Stranger):
    async def greet(self) -> None:
        self.other = Mouth()
        await self.other.publish(self.room, "answers")
        await self.other.speak_for_ever()

    async def answer(self) -> None:
        await self.mouth.say(voice("filler"))
        await asyncio.sleep(0.3)
        await self.other.say(voice(self.reply))


if __name__ == "__main__":
    run_stranger(TwoMouths)
