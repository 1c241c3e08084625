"""Publishes its track when it has something to say for the first time, and not before."""

from stranger import Stranger, run_stranger


class PublishesLate(Stranger):
    async def join(self) -> None:
        await self.connect()

    async def answer(self) -> None:
        if self.turns == 1:
            await self.mouth.publish(self.room)
        await super().answer()


if __name__ == "__main__":
    run_stranger(PublishesLate)
