"""A silent participant comes into the room after the first reply and goes again (an observer, a recorder)."""

import asyncio

from stranger import Stranger, run_stranger
from token_of_its_own import second_room


class ThirdParty(Stranger):
    async def greet(self) -> None:
        while not self.over.is_set():
            other = await second_room(self.room.name, "observer", role="observer")
            try:
                await asyncio.sleep(1.0)
            finally:
                await other.disconnect()
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    run_stranger(ThirdParty)
