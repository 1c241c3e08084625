"""Leaves the room after its first reply and is back in it, with a new track, in a second."""

import asyncio

from livekit import rtc
from stranger import Mouth, Stranger, run_stranger


class Reconnects(Stranger):
    back = False

    async def answer(self) -> None:
        await super().answer()
        if not self.back:
            self.back = True
            self.also(self.come_back())

    async def come_back(self) -> None:
        await asyncio.sleep(0.5)  # its last word is heard before it goes
        self.room.off("disconnected", self._disconnected)
        await self.room.disconnect()
        self.room, self.mouth, self._listening_to = rtc.Room(), Mouth(), None
        await self.join()
        await self.mouth.speak_for_ever()


if __name__ == "__main__":
    run_stranger(Reconnects)
