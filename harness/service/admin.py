"""The supervisor's own HTTP server on loopback: GET /health, GET /metrics, and with its token POST /stop and /restart.

/metrics is the supervisor's view of its parts, then the parts' own metrics.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from harness.errors import UsageError
from harness.service.supervisor import PartState, Supervisor
from runtime.loopback import bears, serving

log = logging.getLogger(__name__)

PART_METRICS_TIMEOUT_S = 2.0
PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Answers:
    """Where the parts' own metrics are; read at each scrape, for a restarted part may have moved."""

    supervisor: Supervisor
    token: str  # opens the commands, and the parts' metrics

    def part_urls(self) -> list[str]:
        urls = (getattr(kept.part, "url", "") for kept in self.supervisor.kept if kept.state is PartState.UP)
        return [url for url in urls if url]


def describe(supervisor: Supervisor, now_s: float) -> dict[str, Any]:
    """The record of /health and `earwitness serve status`."""
    parts = []
    for kept in supervisor.kept:
        up = kept.state is PartState.UP
        parts.append(
            {
                "name": kept.part.name,
                "state": kept.state.value,
                "pid": kept.part.pid,
                "up_s": round(now_s - kept.up_since_s, 1) if up else None,
                "restarts": kept.restarts,
                "last_end": kept.last_end or None,
                "back_after_s": None if kept.back_after_s is None else round(kept.back_after_s, 3),
            }
        )
    return {"status": "ok" if all(part["state"] == "up" for part in parts) else "degraded", "parts": parts}


@dataclass(eq=False)  # a collector is known by its identity
class PartMetrics(Collector):
    """`earwitness_part_…`, one series a part."""

    supervisor: Supervisor

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("earwitness_part_up", "1 while the part serves.", labels=["part"])
        restarts = CounterMetricFamily("earwitness_part_restarts", "Starts after the first one.", labels=["part"])
        back = GaugeMetricFamily("earwitness_part_back_after_seconds", "Last death → serving again.", labels=["part"])
        memory = GaugeMetricFamily(
            "earwitness_part_memory_bytes", "Resident memory, children included.", labels=["part"]
        )
        for kept in self.supervisor.kept:
            name = [kept.part.name]
            up.add_metric(name, 1.0 if kept.state is PartState.UP else 0.0)
            restarts.add_metric(name, kept.restarts)
            if kept.back_after_s is not None:
                back.add_metric(name, kept.back_after_s)
            held = memory_of(kept.part.pid)
            if held is not None:
                memory.add_metric(name, held)
        yield from (up, restarts, back, memory)


def memory_of(pid: int | None) -> int | None:
    """Bytes of the process and its children; None if it is gone."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    except psutil.Error:
        return None


def admin_app(answers: Answers) -> web.Application:
    supervisor = answers.supervisor
    registry = CollectorRegistry()
    registry.register(PartMetrics(supervisor))

    async def health(_: web.Request) -> web.Response:
        said = describe(supervisor, asyncio.get_running_loop().time())
        return web.json_response(said, status=200 if said["status"] == "ok" else 503)

    async def metrics(_: web.Request) -> web.Response:
        texts = [generate_latest(registry), *await _of_parts(answers)]
        return web.Response(body=b"".join(texts), headers={"Content-Type": PLAIN_TEXT})

    async def stop(request: web.Request) -> web.Response:
        _must_be_ours(request, answers.token)
        supervisor.stop()
        return web.json_response({"status": "stopping"})

    async def restart(request: web.Request) -> web.Response:
        _must_be_ours(request, answers.token)
        try:
            supervisor.restart(request.query.get("part"))
        except UsageError as error:
            raise web.HTTPNotFound(text=str(error)) from error
        return web.json_response({"status": "restarting"})

    app = web.Application(client_max_size=1_000, middlewares=[_own_host_only])
    app.router.add_get("/health", health)
    app.router.add_get("/metrics", metrics)
    app.router.add_post("/stop", stop)
    app.router.add_post("/restart", restart)
    return app


@web.middleware
async def _own_host_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse a foreign host name that somebody points at 127.0.0.1."""
    if request.host.rpartition(":")[0] not in LOOPBACK_HOSTS:
        raise web.HTTPForbidden(text="this server answers on its own address alone")
    answer: web.StreamResponse = await handler(request)
    return answer


def _must_be_ours(request: web.Request, token: str) -> None:
    if not bears(request, token):
        raise web.HTTPUnauthorized(text="wrong or missing token; `earwitness serve` finds it in its state folder")


async def _of_parts(answers: Answers) -> list[bytes]:
    """The parts' metrics; a part that does not answer is missing, as `earwitness_part_up` shows."""
    texts = []
    patience = aiohttp.ClientTimeout(total=PART_METRICS_TIMEOUT_S)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {answers.token}"}, timeout=patience) as client:
        for url in answers.part_urls():
            try:
                async with client.get(f"{url}/metrics") as answer:
                    if answer.status == 200:
                        texts.append(await answer.read())
            except (aiohttp.ClientError, TimeoutError) as error:
                log.info("no metrics from a part: %r", error)
    return texts


@asynccontextmanager
async def serving_admin(app: web.Application, port: int) -> AsyncIterator[str]:
    """Base URL on loopback; port 0 is a free one. Raises UsageError if the port is taken."""
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving(app, port))
        except OSError as error:
            raise UsageError(
                f"port {port} on 127.0.0.1: {error.strerror}; give another one with --admin-port"
            ) from error
        yield url
