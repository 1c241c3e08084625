"""Tells a story and does not notice that it is interrupted."""

from stranger import Stranger, run_stranger


class TalksOn(Stranger):
    reply = "story"

    def _turn_ended(self) -> None:
        if not self.mouth.speaking:
            super()._turn_ended()

    async def interrupted(self) -> None:
        pass


if __name__ == "__main__":
    run_stranger(TalksOn)
