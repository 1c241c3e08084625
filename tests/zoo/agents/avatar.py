"""Another participant speaks for it (an avatar service), marked with lk.publish_on_behalf; it has no track of its own."""

from stranger import Stranger, run_stranger
from token_of_its_own import second_room


class Avatar(Stranger):
    async def join(self) -> None:
        await self.connect()
        on_behalf = {"lk.publish_on_behalf": self.room.local_participant.identity}
        self.avatar = await second_room(self.room.name, "avatar", **on_behalf)
        await self.mouth.publish(self.avatar)


if __name__ == "__main__":
    run_stranger(Avatar)
