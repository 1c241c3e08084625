"""`earwitness serve`: media server, agent and page for a person to talk to, until Ctrl-C. Everything ends with it."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from harness.errors import HarnessError, ProvisionError
from harness.live.agents import READY_TIMEOUT_S, Process
from harness.provide.media_server import media_server
from harness.provide.page_library import find_page_library


async def serve_product(port: int, console: Console, agent_env: dict[str, str]) -> None:
    """Raises ProvisionError (something is missing), HarnessError (something did not start, or ended by itself)."""
    library = find_page_library()
    if library is None:
        raise ProvisionError("livekit-client for the page is missing; run `earwitness setup`")
    with tempfile.TemporaryDirectory(prefix="earwitness-serve-") as logs:
        log_path = Path(logs) / "agent.log"
        async with media_server(target=None, log_path=Path(logs) / "livekit-server.log") as server:
            env = {
                "LIVEKIT_URL": server.url,
                "LIVEKIT_API_KEY": server.api_key,
                "LIVEKIT_API_SECRET": server.api_secret,
                "EARWITNESS_CONTROL_TOKEN": secrets.token_urlsafe(24),
                **agent_env,
            }
            argv = [sys.executable, "-m", "runtime", "--exit-with-parent"]
            argv += ["--page-port", str(port), "--page-library", str(library.path)]
            agent = await Process.start(argv, env, log_path, pipe=True)
            try:
                page = await _page_of(agent)
                console.print(f"Talk to the agent at [bold]{page}[/]   (Ctrl-C ends it)", soft_wrap=True)
                ended = asyncio.create_task(agent.process.wait())
                lost = asyncio.create_task(server.lost.wait())
                try:
                    await asyncio.wait({ended, lost}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    ended.cancel()
                    lost.cancel()
                what = "the media server" if server.lost.is_set() else "the agent"
                raise HarnessError(f"{what} ended by itself: {agent.log_tail()}")
            finally:
                await agent.stop()


async def _page_of(agent: Process) -> str:
    assert agent.process.stdout is not None
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            line = await agent.process.stdout.readline()
    except TimeoutError as error:
        raise HarnessError(f"the agent was not ready within {READY_TIMEOUT_S:.0f} s: {agent.log_tail()}") from error
    if not line:
        raise HarnessError(f"the agent did not start: {agent.log_tail()}")
    page: str = json.loads(line)["page"]
    return page
