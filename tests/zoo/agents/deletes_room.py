"""Says its answer and deletes the room half a second later, as an agent with an "end call" tool does."""

import asyncio

from stranger import Stranger, run_stranger
from token_of_its_own import delete_room


class DeletesRoom(Stranger):
    async def answer(self) -> None:
        await super().answer()
        await asyncio.sleep(0.5)
        await delete_room(self.room.name)


if __name__ == "__main__":
    run_stranger(DeletesRoom)
