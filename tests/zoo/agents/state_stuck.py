"""Its lk.agent.state says "speaking" for ever once it has spoken."""

from stranger import Stranger, run_stranger


class StateStuck(Stranger):
    async def greet(self) -> None:
        await self.state("listening")

    async def answer(self) -> None:
        await self.state("speaking")
        await super().answer()


if __name__ == "__main__":
    run_stranger(StateStuck)
