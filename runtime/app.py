"""The agent's process: engines for all rooms, one RoomAgent a room, and control over HTTP on loopback.

POST /agent/join {room} answers when the agent is in the room; POST /agent/leave {room} when it has left and written its trace;
GET /health; GET /metrics. All but /health need `Authorization: Bearer` with the control token.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from livekit import rtc
from prometheus_client import CollectorRegistry

from runtime.audio.vad_silero import MODEL_VERSION
from runtime.call.agent import RoomAgent
from runtime.engines.build import EngineBuilder
from runtime.engines.engine_set import Engines
from runtime.loopback import bears
from runtime.metrics import AgentMetrics, metrics_route
from runtime.settings import RuntimeSettings
from runtime.turn_log import add_turns

log = logging.getLogger(__name__)

LEAVE_TIMEOUT_S = 6.0
ROOM_NAME_CHARS = 200
COLLECT_AFTER_S = 1.0  # by then no code holds an ended room


class AgentHost:
    """All rooms of this process."""

    def __init__(self, settings: RuntimeSettings, engines: Engines) -> None:
        self.settings, self.engines = settings, engines
        self._rooms: dict[str, tuple[RoomAgent, asyncio.Task[None]]] = {}
        self.metrics = AgentMetrics(lambda: [agent.turns for agent, _ in self._rooms.values()])

    @property
    def rooms(self) -> list[str]:
        return list(self._rooms)

    async def join(self, room: str) -> None:
        """Return when the agent's track is published, at once if it is in the room already. Raises what joining raises."""
        if room in self._rooms:
            await self._rooms[room][0].joined.wait()
            return
        agent = RoomAgent(self.settings, self.engines.for_room(), room)
        task = asyncio.create_task(agent.run(), name=f"room {room}")
        self._rooms[room] = (agent, task)
        task.add_done_callback(lambda done: self._gone(room, done))
        waiting = asyncio.create_task(agent.joined.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if task.done():
            await task

    def _gone(self, room: str, task: asyncio.Task[None]) -> None:
        agent, _ = self._rooms.pop(room)
        self.metrics.room_ended(agent.turns)
        self._log_turns(agent)
        # WebRTC's callbacks hold a room, and the room holds WebRTC's memory, which Python's collector does not see: left to
        # itself it runs too seldom, and joining and leaving alone cost 0.12 MiB a room
        asyncio.get_running_loop().call_later(COLLECT_AFTER_S, gc.collect)
        if not task.cancelled() and task.exception() is not None:
            log.error("room %s ended with an error", room, exc_info=task.exception())

    def _log_turns(self, agent: RoomAgent) -> None:
        if self.settings.turn_log is None:
            return
        try:
            add_turns(self.settings.turn_log, agent.records(), with_words=self.settings.turn_words)
        except OSError as error:
            log.error("the turns of room %s cannot be logged: %s", agent.room_name, error)

    async def leave(self, room: str) -> None:
        entry = self._rooms.get(room)
        if entry is None:
            return
        agent, task = entry
        agent.leave()
        _, late = await asyncio.wait({task}, timeout=LEAVE_TIMEOUT_S)
        if late:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def aclose(self) -> None:
        await asyncio.gather(*(self.leave(room) for room in self.rooms))


def control_app(host: AgentHost, token: str) -> web.Application:
    async def room_of(request: web.Request) -> str:
        if not bears(request, token):
            raise web.HTTPUnauthorized(text="wrong or missing control token")
        try:
            room = (await request.json())["room"]
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text='expected {"room": NAME}') from error
        if not isinstance(room, str) or not 0 < len(room) <= ROOM_NAME_CHARS:
            raise web.HTTPBadRequest(text='expected {"room": NAME}')
        return room

    async def join(request: web.Request) -> web.Response:
        room = await room_of(request)
        try:
            await host.join(room)
        except (rtc.ConnectError, TimeoutError, ExceptionGroup) as error:
            raise web.HTTPBadGateway(text=f"cannot join {room}: {error}") from error
        return web.json_response({"room": room})

    async def leave(request: web.Request) -> web.Response:
        room = await room_of(request)
        await host.leave(room)
        return web.json_response({"room": room})

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "rooms": len(host.rooms), "engines": host.engines.report()})

    app = web.Application(client_max_size=10_000)
    app.router.add_post("/agent/join", join)
    app.router.add_post("/agent/leave", leave)
    app.router.add_get("/health", health)
    registry = CollectorRegistry()
    registry.register(host.metrics)
    app.router.add_get("/metrics", metrics_route(registry, token))
    return app


@asynccontextmanager
async def running_host(settings: RuntimeSettings) -> AsyncIterator[AgentHost]:
    """A host with warm engines and no room; its exit leaves all rooms and ends all workers. Raises SettingsError, EngineError."""
    engines = EngineBuilder(settings).build()
    try:
        await engines.warm_up()
        gc.collect()
        gc.freeze()  # collections in mid-call skip engines and libraries, which live as long as the process
        host = AgentHost(settings, engines)
        try:
            yield host
        finally:
            await host.aclose()
    finally:
        await engines.aclose()


def versions() -> dict[str, str]:
    names = ("livekit", "onnxruntime", "pocketsphinx", "espeakng-loader")
    found = {"python": platform.python_version(), "silero-vad": MODEL_VERSION}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def ready_line(settings: RuntimeSettings, url: str) -> str:
    return json.dumps(
        {
            "ready": True,
            "http": url,
            "pid": os.getpid(),
            "vad_hangover_ms": settings.vad_silence_ms,
            "speculative": False,
            "versions": {**versions(), "opus": settings.opus},
        }
    )
