"""Servers on 127.0.0.1: serve an app, and check a request's key."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

SHUTDOWN_TIMEOUT_S = 2.0


@asynccontextmanager
async def serving(app: web.Application, port: int, *, cancel_with_client: bool = False) -> AsyncIterator[str]:
    """The base URL of `app`; port 0 is a free one. `cancel_with_client`: a handler ends when its client goes away.

    Raises OSError if the port is taken.
    """
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=cancel_with_client, shutdown_timeout=SHUTDOWN_TIMEOUT_S
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, real_port = runner.addresses[0][:2]
        yield f"http://{host}:{real_port}"
    finally:
        await runner.cleanup()


def bears(request: web.Request, key: str) -> bool:
    """Whether the request has `key` as its bearer token, compared in constant time. An empty key never matches."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(key) and hmac.compare_digest(given.encode(), key.encode())
