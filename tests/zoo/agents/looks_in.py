"""Joins, publishes its track, and leaves again half a second later, before anybody has spoken."""

import asyncio

from stranger import Stranger, run_stranger


class LooksIn(Stranger):
    async def greet(self) -> None:
        await asyncio.sleep(0.5)
        self.over.set()


if __name__ == "__main__":
    run_stranger(LooksIn)
