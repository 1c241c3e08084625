"""Takes its track back in the middle of its reply and goes on on a new one, as an agent does that reconnects its output."""

import asyncio

from stranger import Stranger, run_stranger, voice


class Swaps(Stranger):
    async def answer(self) -> None:
        whole = voice("story" if self.arguments[0] == "story" else self.reply)
        half = len(whole) // 2
        await self.mouth.say(whole[:half])
        await self.room.local_participant.unpublish_track(self.mouth.track.sid)
        await self.mouth.publish(self.room)
        await asyncio.sleep(0.1)
        await self.mouth.say(whole[half:])


if __name__ == "__main__":
    run_stranger(Swaps)
