"""Writes 100 data messages a second into the room, and as much to its standard output."""

import asyncio

from stranger import Stranger, run_stranger


class Floods(Stranger):
    async def greet(self) -> None:
        while True:
            await self.room.local_participant.publish_data(b"x" * 1000, reliable=True, topic="chatter")
            print("chatter " * 100, flush=True)
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    run_stranger(Floods)
