"""https with a certificate that nobody vouches for: refused with the way out, accepted for the named host alone."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from harness.browser.driver import launch_browser
from harness.errors import AttemptError
from harness.provide.certificates import trusting

pytestmark = pytest.mark.live

OPENSSL = shutil.which("openssl")


def own_certificate(folder: Path) -> ssl.SSLContext:
    folder.mkdir()
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out certificate.pem"
    subprocess.run([f"{OPENSSL}", *command.split()], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


async def secure_site(folder: Path) -> tuple[web.AppRunner, str]:
    """A page over https with a certificate and a key of its own."""
    context = await asyncio.to_thread(own_certificate, folder)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><link rel=icon href=data:,>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner, f"https://127.0.0.1:{runner.addresses[0][1]}/"


@pytest.fixture
async def two_sites(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    if OPENSSL is None:
        pytest.skip("no openssl on this machine")
    (one, one_url), (other, other_url) = [await secure_site(tmp_path / name) for name in ("one", "other")]
    try:
        yield one_url, other_url
    finally:
        await one.cleanup()
        await other.cleanup()


async def test_only_the_named_host_is_trusted(chromium: Path, two_sites: tuple[str, str], tmp_path: Path) -> None:
    known, unknown = two_sites
    host = known.split("/")[2]
    async with (
        trusting([host], [known], tmp_path / "certificates.pem") as keys,
        launch_browser(chromium, mic="scheduled", trusted_keys=keys) as browser,
        browser.session() as session,
    ):
        await session.open(known, timeout_s=20)
        advice = rf"ERR_CERT_AUTHORITY_INVALID.*--insecure-certificates {unknown.split('/')[2]}"
        with pytest.raises(AttemptError, match=advice):
            await session.open(unknown, timeout_s=20)
