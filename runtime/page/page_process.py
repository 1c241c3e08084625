"""`python -m runtime.page.page_process`: the token server with the page, a process beside the agent's.

It asks the agent over HTTP to join a room. A file holds the agent's address; each call reads it anew, because a restarted
agent listens elsewhere. LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and EARWITNESS_CONTROL_TOKEN come from the
environment; GET /metrics needs the control token. It serves on an inherited socket. A JSON line on stdout says that it is
ready. It answers from a line on stdin on, which another line on stdout confirms, and ends when stdin closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
from pathlib import Path

import aiohttp
from aiohttp import web

from runtime.metrics import TokenMetrics, metrics_route
from runtime.page.token_server import TokenSettings, TokenSettingsError, make_token_app, serve_token_app
from runtime.process import lines_of_parent, log_to_stderr

log = logging.getLogger(__name__)

ASK_AGAIN_S = 0.2


class AgentAwayError(Exception):
    """No agent listens at its address for now."""


class AgentDoor:
    """Asks the agent into a room until the caller gives up: the agent may be restarting."""

    def __init__(self, address_file: Path, control_token: str) -> None:
        self._address_file = address_file
        self._headers = {"Authorization": f"Bearer {control_token}"}

    async def join(self, room: str) -> None:
        """Return when the agent is in the room. Raises AgentRefusedError."""
        async with aiohttp.ClientSession(headers=self._headers) as client:
            while True:
                try:
                    return await self._ask(client, room)
                except AgentAwayError:
                    await asyncio.sleep(ASK_AGAIN_S)  # no event says that another process listens

    async def _ask(self, client: aiohttp.ClientSession, room: str) -> None:
        try:
            url = self._address_file.read_text(encoding="utf-8").strip()
            async with client.post(f"{url}/agent/join", json={"room": room}) as answer:
                if answer.status != 200:
                    raise AgentRefusedError(f"the agent answered {answer.status}")
        except (OSError, aiohttp.ClientConnectionError, aiohttp.InvalidURL) as error:
            raise AgentAwayError(str(error)) from error


class AgentRefusedError(Exception):
    """The agent answers, but will not or cannot join."""


async def serve(settings: TokenSettings, door: AgentDoor, control_token: str, listening: socket.socket) -> None:
    metrics = TokenMetrics()
    app: web.Application = make_token_app(settings, door.join)
    app.on_response_prepare.append(metrics.count)
    app.router.add_get("/metrics", metrics_route(metrics.registry, control_token))
    lines = lines_of_parent()
    print(json.dumps({"ready": True}), flush=True)
    if await lines.get():
        async with serve_token_app(app, listening=listening):
            print(json.dumps({"serving": True}), flush=True)
            while await lines.get():
                pass


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime.page.page_process", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="listening socket, inherited")
    parser.add_argument("--library", type=Path, required=True, help="folder that holds livekit-client.umd.js")
    parser.add_argument("--agent-address", type=Path, required=True, help="file with the agent's base URL")
    given = parser.parse_args()
    log_to_stderr()
    control_token = os.environ.get("EARWITNESS_CONTROL_TOKEN", "")
    try:
        settings = TokenSettings.from_environment(given.library)
    except TokenSettingsError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    door = AgentDoor(given.agent_address, control_token)
    asyncio.run(serve(settings, door, control_token, socket.socket(fileno=given.fd)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
