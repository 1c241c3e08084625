"""Serve the product page to the browser under test: its files as they are, and livekit-client beside them.

Static files on a free loopback port for the length of a run. The page gets its room and token in the fragment, so
nothing secret passes this server. `page_sha256` names the page that was tested.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from harness.errors import ProvisionError

PAGE_QUERY = "/?auto=1#livekit_url={livekit_url}&token={token}&room={room}"


def page_folder() -> Path:
    """Where the product page's files are. Raises ProvisionError."""
    spec = find_spec("runtime")
    for place in spec.submodule_search_locations or [] if spec is not None else []:
        folder = Path(place) / "page" / "web"
        if (folder / "index.html").is_file():
            return folder
    raise ProvisionError(
        "the product page (runtime/page/web/index.html) is not installed; give a page of your own with --page"
    )


def page_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "node_modules" not in p.parts):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@asynccontextmanager
async def serve_page(folder: Path, library: Path) -> AsyncIterator[str]:
    """The base URL of the page while the context is open."""

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / "index.html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_static("/vendor", library)
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
