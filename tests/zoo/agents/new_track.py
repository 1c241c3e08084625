"""Publishes a new track for each reply and takes it back after it; between replies it has none."""

import asyncio

from stranger import Mouth, Stranger, run_stranger, voice


class NewTrack(Stranger):
    async def answer(self) -> None:
        mouth = Mouth()
        published = await mouth.publish(self.room, f"reply-{self.turns}")
        speaking = asyncio.create_task(mouth.speak_for_ever())
        try:
            await mouth.say(voice("answer"))
            await asyncio.sleep(0.3)  # what is on the way arrives
        finally:
            speaking.cancel()
            await self.room.local_participant.unpublish_track(published.sid)


if __name__ == "__main__":
    run_stranger(NewTrack)
