"""Joins, and publishes its voice only if it was told something: `wants_to_know.py attribute|room KEY`."""

import json

from stranger import Stranger, run_stranger


class WantsToKnow(Stranger):
    async def join(self) -> None:
        await self.connect()
        where, key = self.arguments
        if where == "attribute":
            known = any(key in p.attributes for p in self.room.remote_participants.values())
        else:
            known = key in json.loads(self.room.metadata or "{}")
        if known:
            await self.mouth.publish(self.room)
        else:
            print(f"nobody told me {key}", flush=True)


if __name__ == "__main__":
    run_stranger(WantsToKnow)
