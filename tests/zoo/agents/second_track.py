"""Publishes a second audio track, as a background player does: `second_track.py silent | music | noise`."""

from sounds import music, pink_noise
from stranger import Mouth, Stranger, run_stranger


class SecondTrack(Stranger):
    async def join(self) -> None:
        await super().join()
        second = Mouth()
        second.bed = {"silent": lambda: None, "music": lambda: music(-45.0), "noise": lambda: pink_noise(-60.0)}[
            self.arguments[0]
        ]()
        await second.publish(self.room, "background_audio")
        self.also(second.speak_for_ever())


if __name__ == "__main__":
    run_stranger(SecondTrack)
