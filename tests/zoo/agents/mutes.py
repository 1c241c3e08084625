"""Mutes its track between turns: `mutes.py`."""

from stranger import Stranger, run_stranger


class Mutes(Stranger):
    async def greet(self) -> None:
        self.mouth.track.mute()

    async def answer(self) -> None:
        self.mouth.track.unmute()
        await super().answer()
        self.mouth.track.mute()


if __name__ == "__main__":
    run_stranger(Mutes)
