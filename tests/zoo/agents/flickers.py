"""Its lk.agent.state goes to and fro between listening and thinking, five times a second, whatever it does."""

import asyncio
import itertools

from stranger import Stranger, run_stranger


class Flickers(Stranger):
    async def greet(self) -> None:
        for name in itertools.cycle(("listening", "thinking")):
            await self.state(name)
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    run_stranger(Flickers)
