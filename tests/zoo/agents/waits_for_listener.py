"""Speaks only when somebody has subscribed to its track, as LiveKit's own agents do; a hidden listener does not count."""

from stranger import Stranger, run_stranger


class WaitsForListener(Stranger):
    async def join(self) -> None:
        await self.connect()
        self.publication = await self.mouth.publish(self.room)

    async def answer(self) -> None:
        await self.publication.wait_for_subscription()
        await super().answer()


if __name__ == "__main__":
    run_stranger(WaitsForListener)
