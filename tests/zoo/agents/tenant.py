"""Serves a tenant: speaks only in a room whose metadata names it, to a user whose attributes say the plan that was paid."""

import json

from stranger import Stranger, run_stranger


class Tenant(Stranger):
    async def answer(self) -> None:
        tenant = json.loads(self.room.metadata or "{}").get("tenant")
        plans = {person.attributes.get("plan") for person in self.room.remote_participants.values()}
        if tenant == "acme" and "gold" in plans:
            await super().answer()


if __name__ == "__main__":
    run_stranger(Tenant)
