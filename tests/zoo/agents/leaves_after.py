"""Hangs up some seconds after its complete reply: `leaves_after.py SECONDS`."""

import asyncio

from stranger import Stranger, run_stranger


class LeavesAfter(Stranger):
    async def answer(self) -> None:
        await super().answer()
        await asyncio.sleep(float(self.arguments[0]))
        self.over.set()


if __name__ == "__main__":
    run_stranger(LeavesAfter)
