"""Brings a second agent into the room, which answers as well: a token of its own, made with ZOO_API_KEY."""

import asyncio

from stranger import Mouth, Stranger, run_stranger, voice
from token_of_its_own import second_room


class TwoAgents(Stranger):
    async def join(self) -> None:
        await super().join()
        self.other = await second_room(self.room.name, "agent-two")
        self.second = Mouth()
        await self.second.publish(self.other)
        self.also(self.second.speak_for_ever())

    async def answer(self) -> None:
        await asyncio.gather(self.mouth.say(voice("answer")), self.second.say(voice("story")))


if __name__ == "__main__":
    run_stranger(TwoAgents)
