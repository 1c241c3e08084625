"""A supervisor is in the room with an open microphone that is silent: `supervisor.py` [speaks SECONDS after joining]."""

import asyncio

from stranger import Mouth, Stranger, run_stranger
from token_of_its_own import second_room


class Supervised(Stranger):
    async def greet(self) -> None:
        other = await second_room(self.room.name, "supervisor", role="supervisor")
        try:
            microphone = Mouth()
            await microphone.publish(other, "microphone")
            await microphone.speak_for_ever()
        finally:
            await asyncio.shield(other.disconnect())


if __name__ == "__main__":
    run_stranger(Supervised)
