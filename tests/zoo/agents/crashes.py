"""Dies one second into its reply."""

import asyncio
import os

from stranger import Stranger, run_stranger


class Crashes(Stranger):
    async def answer(self) -> None:
        self.also(self.die())
        await super().answer()

    async def die(self) -> None:
        await asyncio.sleep(1.0)
        os._exit(7)


if __name__ == "__main__":
    run_stranger(Crashes)
