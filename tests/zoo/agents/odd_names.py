"""Its identity and its track have names that no file system and no table likes."""

import os

from stranger import Stranger, run_stranger
from token_of_its_own import token

IDENTITY = "агент/1 | <b>Ωmega</b>\t../.."


class OddNames(Stranger):
    async def join(self) -> None:
        os.environ["LIVEKIT_TOKEN"] = token(os.environ["LIVEKIT_ROOM"], IDENTITY, role="agent")
        await self.connect()
        await self.mouth.publish(self.room, "voice|../`x`\n" + "y" * 200)


if __name__ == "__main__":
    run_stranger(OddNames)
