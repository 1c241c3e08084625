"""Calls as traces over real HTTP: to our own receiver, and to collectors that refuse, redirect, hang or answer nonsense."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from harness.model.call_trace import CallTrace, TraceEvent, TraceSpan
from harness.model.plan import OtlpTarget
from harness.options.otlp_target import read_target
from harness.telemetry import inbox
from harness.telemetry import sender as module
from harness.telemetry.outgoing import SCOPE, request_of
from harness.telemetry.receiver import open_receiver
from harness.telemetry.sender import Sent, origin, send

KEY = "s3cr3t-of-the-collector"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Collector = Callable[[Answer], Awaitable[str]]


def trace(number: int = 1) -> CallTrace:
    root = TraceSpan(
        "call c", "aa" * 8, "", 1_000, 9_000, {"earwitness.status": "PASS", "session.id": "r"},
        (TraceEvent("gen_ai.evaluation.result", 9_000, {"gen_ai.evaluation.score.value": 450.0}),), "ok",
    )  # fmt: skip
    turn = TraceSpan(
        "turn", "bb" * 8, "aa" * 8, 2_000, 3_000, {"earwitness.reply_seq": 0, "earwitness.greeting": False}
    )
    return CallTrace(f"{number:032x}", {"service.name": "earwitness"}, "0.1.0", (root, turn))


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Starts a server that answers every request so; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(answer: Answer) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def target(url: str, **env: str) -> OtlpTarget:
    return read_target(url, {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in env.items()})


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_a_receiver_of_otlp_has_the_spans_as_they_were(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "KNOWN_SCOPES", (SCOPE,))
    async with open_receiver(0, waits=False) as receiver:
        receiver.begin("ours", "RM_1")
        sent = await send([trace()], target(f"{receiver.url}/ours", COMPRESSION=compression))
        assert sent == Sent(calls=1)
        root, turn = receiver.end("ours").spans
    assert (root.scope, root.name, root.trace_id) == ("earwitness", "call c", f"{1:032x}")
    assert (turn.parent_span_id, turn.start_unix_ns, turn.end_unix_ns) == (root.span_id, 2_000, 3_000)
    assert turn.attributes == {"earwitness.reply_seq": 0, "earwitness.greeting": False}


async def test_each_call_is_a_request_with_the_headers_of_the_environment(collector: Collector) -> None:
    taken: list[ExportTraceServiceRequest] = []

    async def takes(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/traces"
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Content-Encoding"] == "gzip"
        body = await request.read()  # aiohttp has unpacked it
        taken.append(ExportTraceServiceRequest.FromString(body))
        return web.Response(body=b"", content_type="application/x-protobuf")

    url = await collector(takes)
    where = target(f"{url}/api", HEADERS=f"Authorization=Bearer%20{KEY}", COMPRESSION="gzip")
    assert await send([trace(1), trace(2)], where) == Sent(calls=2)
    assert taken == [request_of(trace(1)), request_of(trace(2))]
    (scope,) = taken[0].resource_spans[0].scope_spans
    assert scope.spans[0].status.code == 1
    assert scope.spans[0].events[0].attributes[0].value.double_value == 450.0


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "it answers 401 Unauthorized: its key goes into OTEL_EXPORTER_OTLP_HEADERS"),
        (404, {}, "it answers 404 Not Found: nothing takes OTLP over HTTP at this address"),
        (503, {}, "it answers 503 Service Unavailable"),
        (
            302,
            {"Location": f"https://elsewhere.example/login?token={KEY}"},
            "it redirects to https://elsewhere.example (302",
        ),
        (308, {"Location": "/v1/traces/"}, "it redirects (308 Permanent Redirect), which is not followed"),
        (200, {"Content-Type": "text/html"}, "it answers with text/html, which is no answer of OTLP"),
    ],
)
async def test_a_collector_that_does_not_take_it_is_asked_once_and_told_in_one_line(
    collector: Collector, status: int, headers: dict[str, str], said: str
) -> None:
    asked: list[str] = []

    async def refuses(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, body=b"<html>Sign in</html>", headers=headers)

    where = target(await collector(refuses), HEADERS=f"api-key={KEY}")
    sent = await send([trace(1), trace(2)], where)
    assert (sent.calls, len(asked)) == (0, 1)
    assert sent.problem.startswith(said)
    assert "\n" not in sent.problem
    assert KEY not in sent.problem + repr(where)


async def test_a_collector_that_is_not_there_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:{KEY}@127.0.0.1:{free.getsockname()[1]}"
        sent = await send([trace()], target(url))
    assert sent == Sent(problem="cannot be reached: Connection refused")


async def test_a_collector_that_never_answers_is_given_up(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()

    async def hangs(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    url = await collector(hangs)
    monkeypatch.setattr(module, "CALL_TIMEOUT_S", 0.05)
    assert await send([trace()], target(url)) == Sent(problem="no answer within 0.05 s")
    monkeypatch.setattr(module, "CALL_TIMEOUT_S", 10.0)
    monkeypatch.setattr(module, "SENDING_TIMEOUT_S", 0.05)
    assert await send([trace()], target(url)) == Sent(problem="not done after 0.05 s")
    released.set()


async def test_an_answer_that_trickles_is_given_up(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_TIMEOUT_S", 0.1)
    released = asyncio.Event()

    async def trickles(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"\x0a")
        await released.wait()
        return answer

    assert await send([trace()], target(await collector(trickles))) == Sent(problem="no answer within 0.1 s")
    released.set()


async def test_spans_that_were_not_taken_are_counted(collector: Collector) -> None:
    async def partly(request: web.Request) -> web.Response:
        partial = ExportTracePartialSuccess(rejected_spans=1, error_message="too\nold")
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")

    sent = await send([trace(1), trace(2)], target(await collector(partly)))
    assert sent == Sent(calls=2, rejected_spans=2, problem="too old")


def test_of_an_address_only_its_origin_is_shown() -> None:
    assert origin(f"https://me:{KEY}@in.example:8443/{KEY}/v1/traces?key={KEY}") == "https://in.example:8443"
    assert origin("http://[::1]:4318/v1/traces") == "http://[::1]:4318"
