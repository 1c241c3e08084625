"""Comes into the room after somebody else who never speaks: `company.py sip | transcriber | recorder`. A telephone's bridge
has a silent track, the others have none; the recorder leaves before anybody has spoken.
"""

import asyncio
import os

from stranger import Mouth, Stranger, run_stranger
from token_of_its_own import second_room

KINDS = {"sip": "sip", "transcriber": "agent", "recorder": "egress"}


class Company(Stranger):
    async def join(self) -> None:
        who = self.arguments[0]
        self.other = await second_room(os.environ["LIVEKIT_ROOM"], who, kind=KINDS[who], role="agent")
        if who == "sip":
            line = Mouth()
            await line.publish(self.other, "phone")
            self.also(line.speak_for_ever())
        await asyncio.sleep(1.5)
        await super().join()

    async def greet(self) -> None:
        if self.arguments[0] == "recorder":
            await asyncio.sleep(0.5)
            await self.other.disconnect()


if __name__ == "__main__":
    run_stranger(Company)
