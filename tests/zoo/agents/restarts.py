"""Joins, leaves at once (a supervisor restarts it), and joins again to stay."""

import asyncio

from livekit import rtc
from stranger import Stranger, run_stranger


class Restarts(Stranger):
    async def join(self) -> None:
        await super().join()
        await asyncio.sleep(float(self.arguments[0]))
        self.room.off("disconnected", self._disconnected)
        await self.room.disconnect()
        self.room = rtc.Room()
        self.mouth = self.make_mouth()
        await super().join()


if __name__ == "__main__":
    run_stranger(Restarts)
