"""Takes a breath of the user for the end of the turn: answers after 150 ms of quiet."""

from stranger import Stranger, run_stranger


class Hasty(Stranger):
    hangover_ms = 160.0

    async def interrupted(self) -> None:
        pass


if __name__ == "__main__":
    run_stranger(Hasty)
