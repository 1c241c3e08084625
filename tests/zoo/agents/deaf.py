"""Subscribes to nobody's track, so it hears nothing and says nothing."""

from stranger import Stranger, run_stranger


class Deaf(Stranger):
    async def join(self) -> None:
        await self.connect(auto_subscribe=False)
        await self.mouth.publish(self.room)


if __name__ == "__main__":
    run_stranger(Deaf)
