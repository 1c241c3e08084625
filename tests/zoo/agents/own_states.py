"""Sets lk.agent.state to words of its own: ready, working, talking."""

from stranger import Stranger, run_stranger


class OwnStates(Stranger):
    async def join(self) -> None:
        await super().join()
        await self.state("ready")

    async def answer(self) -> None:
        await self.state("working")
        await self.state("talking")
        await super().answer()
        await self.state("ready")


if __name__ == "__main__":
    run_stranger(OwnStates)
