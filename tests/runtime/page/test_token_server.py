"""The token server alone: who gets which token, who gets none, and that no secret leaves it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from livekit import api

from runtime.page.token_server import (
    LIBRARY_FILE,
    MAX_TTL_S,
    TokenBucket,
    TokenSettings,
    TokenSettingsError,
    make_token_app,
    serve_token_app,
)

SECRET = "a-secret-that-nobody-may-ever-read-anywhere"
KEY = "key-of-the-test"


@pytest.fixture
def settings(tmp_path: Path) -> TokenSettings:
    (tmp_path / LIBRARY_FILE).write_text("window.LivekitClient = {};")
    return TokenSettings("ws://127.0.0.1:7880", KEY, SECRET, tmp_path, allowed_origins=("https://desk.example",))


@pytest.fixture
def joined() -> list[str]:
    return []


@pytest.fixture
async def server(settings: TokenSettings, joined: list[str]) -> AsyncIterator[aiohttp.ClientSession]:
    async def on_room(room: str) -> None:
        joined.append(room)

    async with serve_token_app(make_token_app(settings, on_room)) as url, aiohttp.ClientSession(url) as session:
        yield session


async def ask(server: aiohttp.ClientSession, body: Any = None, **options: Any) -> tuple[int, dict[str, Any]]:
    async with server.post("/api/token", json={} if body is None else body, **options) as answer:
        return answer.status, await answer.json()


async def test_a_token_opens_one_room_for_a_short_time_and_brings_the_agent(
    server: aiohttp.ClientSession, joined: list[str]
) -> None:
    status, body = await ask(server, {"room": "desk-4", "identity": "anna", "name": "Anna"})
    assert status == 200
    assert (body["room"], body["identity"], body["livekit_url"]) == ("desk-4", "anna", "ws://127.0.0.1:7880")
    claims = api.TokenVerifier(KEY, SECRET).verify(body["token"])
    assert claims.identity == "anna"
    assert claims.name == "Anna"
    assert claims.attributes == {"role": "user"}
    grants = claims.video
    assert grants is not None
    assert grants.room_join
    assert grants.room == "desk-4"
    assert grants.can_publish
    assert grants.can_subscribe
    assert grants.can_publish_data
    powers = (grants.room_admin, grants.room_create, grants.room_list, grants.room_record, grants.hidden)
    assert not any(powers)
    assert joined == ["desk-4"]


async def test_a_token_ends_with_its_ttl(server: aiohttp.ClientSession, settings: TokenSettings) -> None:
    import jwt

    _, body = await ask(server)
    claims = jwt.decode(body["token"], SECRET, algorithms=["HS256"], options={"verify_iat": False})
    assert claims["exp"] - time.time() == pytest.approx(settings.ttl_s, abs=30)


async def test_what_is_not_asked_for_is_made_up_anew_each_time(server: aiohttp.ClientSession) -> None:
    (_, one), (_, other) = await ask(server), await ask(server)
    assert one["room"] != other["room"]
    assert one["identity"] != other["identity"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"room": "../etc"}, "room"),
        ({"room": ""}, "room"),
        ({"room": "r" * 121}, "room"),
        ({"identity": "a b"}, "identity"),
        ({"identity": "agent-1"}, "identity"),  # would throw the agent out of its room
        ({"identity": "probe"}, "identity"),
        ({"name": "x" * 61}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"room": 5}, "room"),
        ({"role": "agent"}, "role"),
        ([], "body"),
    ],
)
async def test_bad_names_are_refused_with_the_field(
    server: aiohttp.ClientSession, joined: list[str], body: Any, field: str
) -> None:
    status, answer = await ask(server, body)
    assert status == 400
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["message"].startswith(field)
    assert joined == []


async def test_a_body_that_is_no_json_too_large_or_a_form_is_refused(server: aiohttp.ClientSession) -> None:
    json_type = {"Content-Type": "application/json"}
    for data, headers, expected in (
        (b"{", json_type, 400),
        (b'{"room": "' + b"x" * 5000 + b'"}', json_type, 413),
        (b"room=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ):
        async with server.post("/api/token", data=data, headers=headers) as answer:
            assert answer.status == expected
            assert (await answer.json())["error"]["message"]


async def test_a_peer_that_asks_too_often_must_wait(settings: TokenSettings) -> None:
    app = make_token_app(replace(settings, token_burst=2, tokens_per_minute=1))
    async with serve_token_app(app) as url, aiohttp.ClientSession(url) as server:
        assert [(await ask(server))[0] for _ in range(3)] == [200, 200, 429]
        async with server.post("/api/token", json={}) as answer:
            assert 0 < int(answer.headers["Retry-After"]) <= 61
        async with server.get("/health") as answer:
            assert answer.status == 200


def test_a_bucket_refills_with_time_and_for_each_peer_alone() -> None:
    now_s = 0.0
    bucket = TokenBucket(per_minute=60, burst=2, clock_s=lambda: now_s)
    assert [bucket.wait_s("a") for _ in range(3)] == [0, 0, 1]
    assert bucket.wait_s("b") == 0
    now_s = 0.75
    assert bucket.wait_s("a") == pytest.approx(0.25)
    now_s = 1.0
    assert bucket.wait_s("a") == 0


async def test_other_origins_get_nothing_unless_they_are_allowed(
    server: aiohttp.ClientSession, joined: list[str]
) -> None:
    status, answer = await ask(server, headers={"Origin": "https://elsewhere.example"})
    assert (status, answer["error"]["code"]) == (403, "origin")
    assert joined == []
    allowed = {"Origin": "https://desk.example"}
    async with server.post("/api/token", json={}, headers=allowed) as reply:
        assert reply.status == 200
        assert reply.headers["Access-Control-Allow-Origin"] == "https://desk.example"
    async with server.options("/api/token", headers=allowed) as reply:
        assert reply.headers["Access-Control-Allow-Headers"] == "Content-Type"


async def test_a_foreign_name_that_points_here_is_refused(server: aiohttp.ClientSession, joined: list[str]) -> None:
    status, answer = await ask(server, headers={"Host": "rebound.example", "Origin": "http://rebound.example"})
    assert (status, answer["error"]["code"]) == (403, "host")
    assert joined == []


async def test_no_secret_is_in_logs_answers_or_reprs(
    server: aiohttp.ClientSession, settings: TokenSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, body = await ask(server, {"room": "r-1"})
    await ask(server, {"room": "/"})
    answers = []
    for path in ("/", "/health", "/api/token", "/nothing", "/app.js"):
        async with server.get(path) as answer:
            answers.append(await answer.text() + str(answer.headers))
    logs = caplog.text + " ".join(str(vars(record)) for record in caplog.records)
    assert "r-1" in logs  # something is logged at all
    for secret in (SECRET, KEY, body["token"]):
        assert secret not in logs
        assert secret not in "".join(answers)
        assert secret not in repr(settings)


async def test_an_agent_that_fails_or_hangs_is_one_line_for_the_page(
    settings: TokenSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def fails(room: str) -> None:
        raise RuntimeError("the worker is full")

    async def hangs(room: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("runtime.page.token_server.AGENT_JOIN_TIMEOUT_S", 0.1)
    for on_room in (fails, hangs):
        async with serve_token_app(make_token_app(settings, on_room)) as url, aiohttp.ClientSession(url) as server:
            status, answer = await ask(server)
            assert (status, answer["error"]["code"]) == (503, "no_agent")
            assert "full" not in answer["error"]["message"]


async def test_only_the_pages_own_files_are_served_each_with_security_headers(server: aiohttp.ClientSession) -> None:
    for path in ("/", "/app.js", "/style.css", "/events.schema.json", f"/vendor/{LIBRARY_FILE}", "/health"):
        async with server.get(path) as answer:
            assert answer.status == 200, path
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
    for path in (
        "/package.json",
        "/package-lock.json",
        "/../token_server.py",
        "/vendor/",
        "/vendor/x.js",
        "/web/app.js",
    ):
        async with server.get(path) as answer:
            assert answer.status == 404, path
            assert (await answer.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"livekit_url": "http://127.0.0.1:7880"},
        {"livekit_url": "ws://key:secret@127.0.0.1:7880"},
        {"api_secret": "short"},
        {"api_key": ""},
        {"ttl_s": MAX_TTL_S + 1},
        {"ttl_s": 0},
        {"token_burst": 0},
        {"library_dir": Path("/nowhere")},
    ],
)
def test_wrong_settings_are_refused_by_name_without_their_secret(
    settings: TokenSettings, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TokenSettingsError, match=next(iter(wrong))) as refusal:
        replace(settings, **wrong)
    assert "short" not in str(refusal.value).replace("shorter", "")


def test_secrets_come_from_the_environment(settings: TokenSettings) -> None:
    environment = {"LIVEKIT_URL": "wss://rooms.example", "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
    taken = TokenSettings.from_environment(settings.library_dir, environment, ttl_s=60)
    assert (taken.livekit_url, taken.api_secret, taken.ttl_s) == ("wss://rooms.example", SECRET, 60)
    with pytest.raises(TokenSettingsError, match="LIVEKIT_API_SECRET: not set"):
        TokenSettings.from_environment(settings.library_dir, {**environment, "LIVEKIT_API_SECRET": ""})
