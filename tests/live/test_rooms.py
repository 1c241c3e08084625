"""What a token allows; what the media server's API says, and what it means when it says nothing. No call is made."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from livekit import api

from harness.errors import AttemptError
from harness.live import rooms as rooms_module
from harness.live.rooms import Rooms, open_rooms
from harness.model.status import CaptureStatus


@pytest.mark.parametrize(("role", "may", "kind"), [("agent", True, "agent"), ("user", None, "standard")])
async def test_an_agent_is_one_for_pages_and_may_tell_its_state(role: str, may: bool | None, kind: str) -> None:
    secret = secrets.token_urlsafe(32)
    async with aiohttp.ClientSession() as session:
        rooms = Rooms(
            "ws://127.0.0.1", "key", secret, api.LiveKitAPI("http://127.0.0.1", "key", secret, session=session)
        )
        token = rooms.token("room", "somebody", {"role": role})
    claims = api.TokenVerifier("key", secret).verify(token)
    assert claims.video is not None
    assert claims.video.can_update_own_metadata is may
    assert claims.kind == kind


@asynccontextmanager
async def server_that(says: str) -> AsyncIterator[Rooms]:
    async def serve(request: web.Request) -> web.StreamResponse:
        if says == "nothing":
            await asyncio.Event().wait()
        return web.json_response({"code": says, "msg": "so it is"}, status=404 if says == "not_found" else 500)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with open_rooms(f"ws://127.0.0.1:{runner.addresses[0][1]}", "key", "s" * 40) as rooms:
            yield rooms
    finally:
        await runner.cleanup()


async def test_a_room_that_is_not_there_yet_is_empty() -> None:
    async with server_that("not_found") as rooms:
        assert list(await rooms.participants("r")) == []


@pytest.mark.parametrize("ask", ["participants", "create", "dispatched_jobs"])
async def test_a_server_that_says_nothing_is_named_with_the_limit_that_passed(
    monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    monkeypatch.setattr(rooms_module, "API_TIMEOUT_S", 0.1)
    async with server_that("nothing") as rooms:
        with pytest.raises(AttemptError, match=r"did not .+ room r within 0\.1 s") as caught:
            await getattr(rooms, ask)("r")
    assert caught.value.status is CaptureStatus.SERVER_LOST


async def test_a_server_that_refuses_is_not_taken_for_an_empty_room() -> None:
    async with server_that("permission_denied") as rooms:
        with pytest.raises(AttemptError, match=r"did not say who is in room r: .*so it is") as caught:
            await rooms.wait_for_participants("r", bool)
    assert caught.value.status is CaptureStatus.SERVER_LOST
