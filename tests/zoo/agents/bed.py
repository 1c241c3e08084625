"""Music or noise under the voice, all the time, on the voice's own track: `bed.py music|noise DBFS`."""

from sounds import music, pink_noise
from stranger import Stranger, run_stranger


class Bed(Stranger):
    async def join(self) -> None:
        kind, dbfs = self.arguments
        self.mouth.bed = (music if kind == "music" else pink_noise)(float(dbfs))
        await super().join()


if __name__ == "__main__":
    run_stranger(Bed)
