"""Answers, and says one thing more some seconds later: `adds_more.py SECONDS`."""

import asyncio

from stranger import Stranger, run_stranger, voice


class AddsMore(Stranger):
    async def answer(self) -> None:
        await super().answer()
        await asyncio.sleep(float(self.arguments[0]))
        await self.mouth.say(voice("still_there"))


if __name__ == "__main__":
    run_stranger(AddsMore)
