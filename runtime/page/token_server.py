"""The product page and its tokens: short-lived, room-scoped LiveKit JWTs for whoever talks to the agent here.

`make_token_app` is the aiohttp application (page, livekit-client, `POST /api/token`, `/health`), `serve_token_app` runs
it on loopback. Secrets come from the environment and stay here: never in a URL, a log line or an error. A page of
another origin gets nothing (CORS allow-list, checked Host), and each peer's tokens per minute are limited.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from livekit import api
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.model.events import TRACE_ID_PATTERN

WEB_FOLDER = Path(__file__).parent / "web"
LIBRARY_FILE = "livekit-client.umd.js"
PAGE_TYPES = {".html", ".css", ".js", ".svg"}
EVENT_SCHEMA_FILE = "events.schema.json"

MAX_TTL_S = 3600
MAX_BODY_BYTES = 2048  # three short names
AGENT_JOIN_TIMEOUT_S = 15.0
SHUTDOWN_TIMEOUT_S = 1.0
MIN_SECRET_CHARS = 32  # livekit-server refuses shorter ones
LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
RESERVED_IDENTITIES = ("agent", "probe")  # LiveKit removes a participant when another one takes its identity

logger = logging.getLogger(__name__)
OnRoom = Callable[[str], Awaitable[None]]


class TokenSettingsError(ValueError):
    """A setting of the token server is missing or wrong; says which one and what to do."""


@dataclass(frozen=True)
class TokenSettings:
    """The token server's settings. Their repr leaves out secrets."""

    livekit_url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    library_dir: Path  # holds livekit-client.umd.js
    ttl_s: int = 600
    allowed_origins: tuple[str, ...] = ()  # besides the page's own
    tokens_per_minute: float = 20.0
    token_burst: int = 10

    def __post_init__(self) -> None:
        url = urlsplit(self.livekit_url)
        if url.scheme not in ("ws", "wss") or not url.hostname:
            raise TokenSettingsError("livekit_url: needs ws://host:port or wss://host")
        if url.username or url.password or url.query or url.fragment:
            raise TokenSettingsError("livekit_url: every page gets it, so no credentials, query or fragment in it")
        if not self.api_key:
            raise TokenSettingsError("api_key: empty; set LIVEKIT_API_KEY")
        if len(self.api_secret) < MIN_SECRET_CHARS:
            raise TokenSettingsError(f"api_secret: needs {MIN_SECRET_CHARS} characters or more; set LIVEKIT_API_SECRET")
        if not 1 <= self.ttl_s <= MAX_TTL_S:
            raise TokenSettingsError(f"ttl_s: {self.ttl_s} is not between 1 and {MAX_TTL_S} s")
        if self.tokens_per_minute <= 0 or self.token_burst < 1:
            raise TokenSettingsError("tokens_per_minute and token_burst: must be positive, else nobody gets a token")
        if not (self.library_dir / LIBRARY_FILE).is_file():
            raise TokenSettingsError(f"library_dir: no {LIBRARY_FILE} in {self.library_dir}; run `earwitness setup`")

    @classmethod
    def from_environment(
        cls, library_dir: Path, environment: Mapping[str, str] | None = None, **others: Any
    ) -> TokenSettings:
        """From LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, the only source of secrets."""
        values = os.environ if environment is None else environment
        names = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
        missing = [name for name in names if not values.get(name)]
        if missing:
            raise TokenSettingsError(f"{', '.join(missing)}: not set in the environment")
        url, key, secret = (values[name] for name in names)
        return cls(livekit_url=url, api_key=key, api_secret=secret, library_dir=library_dir, **others)


class TokenRequest(BaseModel):
    """Body of POST /api/token. The server fills in missing names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    room: str | None = Field(default=None, pattern=TRACE_ID_PATTERN)
    identity: str | None = Field(default=None, pattern=TRACE_ID_PATTERN)
    name: str | None = Field(default=None, min_length=1, max_length=60)

    @field_validator("identity")
    @classmethod
    def _is_no_bot(cls, identity: str | None) -> str | None:
        if identity is not None and re.split("[._-]", identity)[0].lower() in RESERVED_IDENTITIES:
            raise ValueError(f"{' and '.join(RESERVED_IDENTITIES)} are not for people")
        return identity

    @field_validator("name")
    @classmethod
    def _is_printable(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise ValueError("only printable characters")
        return name


class TokenBucket:
    """At most `burst` tokens at once and `per_minute` on average for each peer. It forgets peers with a full bucket."""

    def __init__(self, per_minute: float, burst: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_minute / 60
        self._burst = burst
        self._clock_s = clock_s
        self._left: dict[str, tuple[float, float]] = {}  # peer → (tokens left, when)

    def wait_s(self, peer: str) -> float:
        """0 if the peer may go on (this takes one token); else the wait until it may."""
        now_s = self._clock_s()
        self._forget_idle(now_s)
        left = self._refilled(*self._left.get(peer, (float(self._burst), now_s)), now_s)
        if left >= 1:
            self._left[peer] = (left - 1, now_s)
            return 0.0
        self._left[peer] = (left, now_s)
        return (1 - left) / self._per_s

    def _refilled(self, left: float, then_s: float, now_s: float) -> float:
        return min(float(self._burst), left + (now_s - then_s) * self._per_s)

    def _forget_idle(self, now_s: float) -> None:
        idle = [peer for peer, held in self._left.items() if self._refilled(*held, now_s) >= self._burst]
        for peer in idle:
            del self._left[peer]


SETTINGS = web.AppKey("settings", TokenSettings)
BUCKET = web.AppKey("bucket", TokenBucket)
ON_ROOM: web.AppKey[OnRoom | None] = web.AppKey("on_room")


def make_token_app(settings: TokenSettings, on_room: OnRoom | None = None) -> web.Application:
    """The page with its token API. `on_room` brings the agent into a room; it may be called again for the same room."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_secure, _explain])
    app[SETTINGS] = settings
    app[BUCKET] = TokenBucket(settings.tokens_per_minute, settings.token_burst)
    app[ON_ROOM] = on_room
    app.router.add_get("/health", _health)
    app.router.add_post("/api/token", _token)
    app.router.add_route("OPTIONS", "/api/token", _preflight)
    app.router.add_get("/", _file(WEB_FOLDER / "index.html"))
    app.router.add_get(f"/vendor/{LIBRARY_FILE}", _file(settings.library_dir / LIBRARY_FILE))
    for path in sorted(WEB_FOLDER.iterdir()):  # one route per file name, so that no other path is ever served
        if path.suffix in PAGE_TYPES or path.name == EVENT_SCHEMA_FILE:
            app.router.add_get(f"/{path.name}", _file(path))
    return app


@asynccontextmanager
async def serve_token_app(
    app: web.Application, port: int = 0, *, listening: socket.socket | None = None
) -> AsyncIterator[str]:
    """Serve the application on loopback while the context is open, at `listening` or a port (0: a free one); give its URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        own = web.TCPSite(runner, "127.0.0.1", port) if listening is None else web.SockSite(runner, listening)
        await own.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def mint_token(settings: TokenSettings, request: TokenRequest, room: str, identity: str) -> str:
    """A JWT that lets this identity join this room alone, to speak, to hear and to receive data, until the TTL ends."""
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True, room_create=False
    )
    return (
        api.AccessToken(settings.api_key, settings.api_secret)
        .with_identity(identity)
        .with_name(request.name or identity)
        .with_ttl(timedelta(seconds=settings.ttl_s))
        .with_attributes({"role": "user"})
        .with_grants(grants)
        .to_jwt()
    )


async def _token(request: web.Request) -> web.Response:
    settings = request.app[SETTINGS]
    wait_s = request.app[BUCKET].wait_s(request.remote or "")
    if wait_s > 0:
        refusal = _refusal(429, "rate_limited", f"too many tokens asked for; try again in {wait_s:.0f} s")
        refusal.headers["Retry-After"] = str(int(wait_s) + 1)
        return refusal
    if request.content_type != "application/json":  # another site could send a form without asking first
        return _refusal(415, "not_json", "send the body as application/json")
    try:
        wanted = TokenRequest.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _refusal(400, "invalid", f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")
    room = wanted.room or f"talk-{secrets.token_hex(4)}"
    identity = wanted.identity or f"user-{secrets.token_hex(4)}"
    if not await _bring_agent(request.app[ON_ROOM], room):
        return _refusal(503, "no_agent", "the agent did not join the room; look at its log")
    logger.info("token for %s in room %s", identity, room)
    token = mint_token(settings, wanted, room, identity)
    body = {"livekit_url": settings.livekit_url, "token": token, "room": room, "identity": identity}
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def _bring_agent(on_room: OnRoom | None, room: str) -> bool:
    """Whether the agent joins, if there is one to call. Its failure must not show the page a stack trace."""
    if on_room is None:
        return True
    try:
        async with asyncio.timeout(AGENT_JOIN_TIMEOUT_S):
            await on_room(room)
    except TimeoutError:
        logger.error("the agent did not join room %s within %.0f s", room, AGENT_JOIN_TIMEOUT_S)
        return False
    except Exception as error:  # on_room may raise anything: the log names it, the page gets one line
        logger.error("the agent could not join room %s: %s", room, error)
        return False
    return True


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def _preflight(_: web.Request) -> web.Response:
    headers = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type"}
    return web.Response(status=204, headers=headers)


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
    async def send(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    return send


def _refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign hosts and origins, and answer every error as JSON."""
    settings = request.app[SETTINGS]
    if not _is_own_host(request, settings):
        # A foreign name that points at 127.0.0.1 would make its page same-origin with this one.
        return _refusal(403, "host", "this server answers on its own address alone")
    if not _is_allowed_origin(request, settings):
        return _refusal(403, "origin", "this origin is not in the allow-list")
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return _refusal(413, "too_large", f"the body may have {MAX_BODY_BYTES} bytes")
    except web.HTTPException as error:
        return _refusal(error.status, error.reason.lower().replace(" ", "_"), error.reason)


@web.middleware
async def _secure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The security headers of every answer, and CORS for origins of the allow-list."""
    settings = request.app[SETTINGS]
    response = await handler(request)
    response.headers.update(_security_headers(settings))
    origin = request.headers.get("Origin")
    if origin in settings.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
    return response


def _security_headers(settings: TokenSettings) -> dict[str, str]:
    livekit = urlsplit(settings.livekit_url)
    # livekit-client asks the server over HTTP why a connection was refused; fragments may name other servers by ws.
    explained_at = f"{'https' if livekit.scheme == 'wss' else 'http'}://{livekit.netloc}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        f"worker-src 'self' blob:; connect-src 'self' ws: wss: {explained_at}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "microphone=(self), autoplay=(self), camera=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Vary": "Origin",
    }


def _is_own_host(request: web.Request, settings: TokenSettings) -> bool:
    host = urlsplit(f"//{request.host}").hostname
    return host in LOOPBACK_HOSTS or host in {urlsplit(origin).hostname for origin in settings.allowed_origins}


def _is_allowed_origin(request: web.Request, settings: TokenSettings) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin in settings.allowed_origins or urlsplit(origin).netloc == request.host
