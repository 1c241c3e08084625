"""Does not end when it is asked to (SIGTERM), and has a child that does not either."""

import asyncio
import signal
import sys

from stranger import Stranger, run_stranger

SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Stubborn(Stranger):
    async def greet(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
        self.child = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER)


if __name__ == "__main__":
    run_stranger(Stubborn)
