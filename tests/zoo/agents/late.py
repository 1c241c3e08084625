"""Joins some seconds after it was started: `late.py SECONDS`."""

import asyncio

from stranger import Stranger, run_stranger


class Late(Stranger):
    async def join(self) -> None:
        await asyncio.sleep(float(self.arguments[0]))
        await super().join()


if __name__ == "__main__":
    run_stranger(Late)
