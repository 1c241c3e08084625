"""A good worker that thinks for some milliseconds more: `slow.py MS` from end of turn to first sound, its hangover included."""

import asyncio

from stranger import Stranger, run_stranger


class Slow(Stranger):
    async def answer(self) -> None:
        await asyncio.sleep((float(self.arguments[0]) - self.hangover_ms) / 1e3)
        await super().answer()


if __name__ == "__main__":
    run_stranger(Slow)
