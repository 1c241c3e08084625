"""Tokens of those who join a room."""

from __future__ import annotations

import secrets

import aiohttp
import pytest
from livekit import api

from harness.live.rooms import Rooms


@pytest.mark.parametrize(("role", "may"), [("agent", True), ("user", None)])
async def test_an_agent_may_tell_its_state_and_nobody_else_needs_to(role: str, may: bool | None) -> None:
    secret = secrets.token_urlsafe(32)
    async with aiohttp.ClientSession() as session:
        rooms = Rooms(
            "ws://127.0.0.1", "key", secret, api.LiveKitAPI("http://127.0.0.1", "key", secret, session=session)
        )
        token = rooms.token("room", "somebody", {"role": role})
    claims = api.TokenVerifier("key", secret).verify(token)
    assert claims.video is not None
    assert claims.video.can_update_own_metadata is may
