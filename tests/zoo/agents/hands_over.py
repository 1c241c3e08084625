"""Is one participant after the other: `hands_over.py after_greeting` (a receptionist greets, leaves, and a specialist answers) or
`between_turns` (the worker is ended, and its job goes to another one). The second comes a second after the first has left.
"""

import asyncio

from stranger import Mouth, Stranger, run_stranger, voice
from token_of_its_own import second_room


class HandsOver(Stranger):
    async def greet(self) -> None:
        if self.arguments[0] == "after_greeting":
            await self.mouth.say(voice("greeting"))
            await self.next_one()

    async def answer(self) -> None:
        await super().answer()
        if self.arguments[0] == "between_turns" and self.turns == 1:
            self.also(self.next_one())

    async def next_one(self) -> None:
        await asyncio.sleep(0.5)  # its last word is heard before it goes
        name = self.room.name
        self.room.off("disconnected", self._disconnected)
        await self.room.disconnect()
        await asyncio.sleep(1.0)
        self._listening_to, self.mouth = None, Mouth()
        self.room = await second_room(name, "agent-two", on_track=self._subscribed)
        await self.mouth.publish(self.room)
        await self.mouth.speak_for_ever()


if __name__ == "__main__":
    run_stranger(HandsOver)
