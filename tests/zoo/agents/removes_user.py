"""Ends the call by removing the user from the room, half a second after its reply."""

import asyncio

from stranger import Stranger, run_stranger
from token_of_its_own import remove


class RemovesUser(Stranger):
    async def answer(self) -> None:
        await super().answer()
        await asyncio.sleep(0.5)
        assert self._listening_to is not None
        await remove(self.room.name, self._listening_to)


if __name__ == "__main__":
    run_stranger(RemovesUser)
