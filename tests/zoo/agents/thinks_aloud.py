"""Says "let me check", is silent for a tool call of 4 s, then answers: `thinks_aloud.py [state]` tells its state as well."""

from stranger import Stranger, run_stranger, silence, voice


class ThinksAloud(Stranger):
    async def greet(self) -> None:
        await self.tell("listening")

    async def tell(self, name: str) -> None:
        if "state" in self.arguments:
            await self.state(name)

    async def answer(self) -> None:
        await self.tell("speaking")
        await self.mouth.say(voice("filler"))
        await self.tell("thinking")
        await self.mouth.say(silence(4.0))
        await self.tell("speaking")
        await self.mouth.say(voice("answer"))
        await self.tell("listening")


if __name__ == "__main__":
    run_stranger(ThinksAloud)
