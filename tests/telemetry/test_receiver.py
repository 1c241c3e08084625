"""The receiver over real HTTP, with the exporter of OpenTelemetry's own SDK and with what no exporter sends."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from harness.errors import UsageError
from harness.live.program import Program
from harness.telemetry import receiver as module
from harness.telemetry.inbox import CallWindow
from harness.telemetry.messages import MOST_BYTES
from harness.telemetry.receiver import Receiver, open_receiver
from harness.telemetry.wanted import wanted_port

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver(0, waits=False) as opened:
        yield opened


def export(endpoint: str | None, compression: Compression = Compression.NoCompression, room: str | None = None) -> None:
    """A session of two spans, as an agent's process sends it. Blocks. No `endpoint`: the environment's."""
    provider = TracerProvider()
    url = None if endpoint is None else f"{endpoint}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("livekit-agents")
    with tracer.start_as_current_span("agent_session") as session:
        if room is not None:
            session.set_attribute("lk.pii.room_name", room)
        with tracer.start_as_current_span("agent_turn") as turn:
            turn.set_attribute("lk.e2e_latency", 0.8)
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_exporter_of_the_sdk_is_heard(receiver: Receiver, compression: Compression) -> None:
    receiver.begin("a room", "RM_1")
    before_ns = time.time_ns()
    endpoint = receiver.env("a room")["OTEL_EXPORTER_OTLP_ENDPOINT"]
    await asyncio.to_thread(export, endpoint, compression)
    told = receiver.end("a room")
    session, turn = told.spans
    assert (session.name, turn.name, turn.parent_span_id) == ("agent_session", "agent_turn", session.span_id)
    assert turn.number("lk.e2e_latency") == 0.8
    assert before_ns <= turn.start_unix_ns <= turn.end_unix_ns <= turn.arrived_unix_ns <= time.time_ns()
    assert turn.arrived_mono_ms <= time.monotonic() * 1e3
    assert told.in_words == "2 spans of the agent came by OpenTelemetry"


SENDS_A_SPAN = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(timeout=5)))
provider.get_tracer("livekit-agents").start_span("agent_turn").end()
provider.shutdown()
"""


async def test_a_program_behind_a_proxy_sends_its_spans_here_all_the_same(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as proxy:  # it takes connections, and answers none
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        (tmp_path / "agent.py").write_text(SENDS_A_SPAN)
        program = Program(f"{sys.executable} {tmp_path / 'agent.py'}", tmp_path, receiver)
        receiver.begin("ours", "RM_1")
        async with asyncio.timeout(60), program.started("ours", {}, {}) as attendance:
            await attendance.lost.wait()
    assert [span.name for span in receiver.end("ours").spans] == ["agent_turn"], program.log_path.read_text()


async def test_without_a_path_of_its_own_a_span_finds_its_call_by_its_room(receiver: Receiver) -> None:
    receiver.begin("ours", "RM_1")
    receiver.begin("theirs", "RM_2")
    await asyncio.to_thread(export, receiver.url, Compression.NoCompression, "theirs")
    assert receiver.end("ours").spans == ()
    assert len(receiver.end("theirs").spans) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status", "counted"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400, "no OTLP"),
        (b"{", {"Content-Type": "application/json"}, 400, "no OTLP"),
        (b"hello", {"Content-Type": "text/plain"}, 415, "of the type 'text/plain'"),
        (b"hello", {**PROTOBUF, "Content-Encoding": "gzip"}, 400, "no gzip"),
        (bytes(10_000_000), PROTOBUF, 413, "larger than 4 MiB"),
        (
            gzip.compress(bytes(10 * MOST_BYTES), mtime=0),
            {**PROTOBUF, "Content-Encoding": "gzip"},
            413,
            "larger than 4 MiB",
        ),
    ],
    ids=["malformed", "half JSON", "text", "no gzip", "10 MB", "gzip bomb"],
)
async def test_what_is_refused_is_answered_and_counted_and_the_next_batch_is_taken(
    receiver: Receiver, body: bytes, headers: dict[str, str], status: int, counted: str
) -> None:
    receiver.begin("ours", "RM_1")
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        async with client.post(f"{receiver.url}/ours/v1/traces", data=io.BytesIO(body), headers=headers) as answer:
            assert answer.status == status
    await asyncio.to_thread(export, f"{receiver.url}/ours")
    told = receiver.end("ours")
    assert told.refused == {counted: 1}
    assert len(told.spans) == 2


async def test_a_sender_that_stops_amid_its_body_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.05)
    receiver.begin("ours", "RM_1")
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    head = (
        b"POST /ours/v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n"
    )
    writer.write(head + b"half")
    async with asyncio.timeout(10):
        answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert b"408" in answer
    assert receiver.end("ours").refused == {"not there after 0.05 s": 1}


async def test_a_batch_that_breaks_off_is_counted(receiver: Receiver) -> None:
    receiver.begin("ours", "RM_1")
    begun, broken = asyncio.Event(), asyncio.Event()
    put, refuse = receiver._read, receiver.inbox.refuse

    async def read(*arguments: Any) -> Any:
        begun.set()
        return await put(*arguments)

    def refused(*arguments: Any) -> None:
        refuse(*arguments)
        broken.set()

    receiver._read, receiver.inbox.refuse = read, refused  # type: ignore[method-assign]
    _, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    head = (
        b"POST /ours/v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n"
    )
    writer.write(head + b"half")
    async with asyncio.timeout(10):
        await begun.wait()
        writer.transport.abort()  # its process was ended
        await broken.wait()
    told = receiver.end("ours")
    assert told.refused == {"broken off": 1}
    assert told.incomplete


async def test_a_batch_that_comes_after_its_call_is_answered_404_and_not_held(receiver: Receiver) -> None:
    receiver.begin("ours", "RM_1")
    receiver.end("ours")
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{receiver.url}/ours/v1/traces", data=b"", headers=PROTOBUF) as answer:
            assert answer.status == 404


async def test_the_environment_of_the_agent_goes_before_the_user_s_own(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    receiver.begin("a room", "RM_1")
    for name, value in receiver.env("a room").items():
        monkeypatch.setenv(name, value)
    assert os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    await asyncio.to_thread(export, None)
    assert len(receiver.end("a room").spans) == 2


@pytest.mark.parametrize("signal", ["metrics", "logs"])
async def test_metrics_and_logs_are_accepted_and_thrown_away(receiver: Receiver, signal: str) -> None:
    receiver.begin("ours", "RM_1")
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{receiver.url}/ours/v1/{signal}", data=b"any", headers=PROTOBUF) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
    assert receiver.end("ours").in_words == ""


async def test_an_agent_that_is_not_ours_to_end_is_waited_for_until_its_session_is_told() -> None:
    async with open_receiver(0, waits=True) as receiver:
        receiver.begin("ours", "RM_1")
        waiting = asyncio.create_task(receiver.settled("ours"))
        await asyncio.to_thread(export, receiver.url, Compression.NoCompression, "ours")
        async with asyncio.timeout(5):
            await waiting
        assert len(receiver.end("ours").spans) == 2


async def test_a_session_that_is_told_while_another_call_looks_is_not_missed() -> None:
    """Two calls wait; the batch of one comes amid its own look at what is there."""
    async with open_receiver(0, waits=True) as receiver:
        for room in ("ours", "theirs"):
            receiver.begin(room, f"RM_{room}")
        looks, looked, came = 0, asyncio.Event(), threading.Event()
        loop, is_complete = asyncio.get_running_loop(), receiver.inbox.is_complete

        def look(window: CallWindow) -> bool:
            nonlocal looks
            found = is_complete(window)
            if window.room == "ours" and (looks := looks + 1) == 1:
                loop.call_soon_threadsafe(looked.set)
                came.wait(10)
            return found

        receiver.inbox.is_complete = look  # type: ignore[method-assign]
        waiting = [asyncio.create_task(receiver.settled(room)) for room in ("ours", "theirs")]
        async with asyncio.timeout(5):  # less than the wait's own limit
            await looked.wait()
            await asyncio.to_thread(export, receiver.url, Compression.NoCompression, "ours")
            came.set()
            await waiting[0]
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert len(receiver.end("ours").spans) == 2


async def test_the_wait_for_the_last_spans_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE_SPANS_TIMEOUT_S", 0.01)
    async with open_receiver(0, waits=True) as receiver:
        receiver.begin("ours", "RM_1")
        await receiver.settled("ours")
        assert receiver.end("ours").spans == ()


async def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--otlp-in {port}: cannot listen .*; give a free port"):
            async with open_receiver(port, waits=False):
                pass


def test_who_listens_by_default() -> None:
    assert wanted_port("auto", "command", {}) == 0
    assert wanted_port("auto", "command", {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://langfuse.example"}) is None
    assert wanted_port("auto", "dispatch", {}) is None
    assert wanted_port("off", "command", {}) is None
    assert wanted_port(4318, "room", {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://langfuse.example"}) == 4318
