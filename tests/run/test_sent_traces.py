"""The calls of a run go out once they are judged; whatever the collector does, the verdict is the run's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.errors import UsageError
from harness.model.capture import MANIFEST, MEASUREMENT
from harness.model.plan import Plan
from harness.run import sent_traces
from harness.run.open import run_plan
from harness.run.sent_traces import LATER, send_run
from harness.run.written_run import SUMMARY
from tests.run.test_run import NAMES, Bench, bench, on_disk, plan_of

__all__ = ["bench"]  # a fixture
KEY = "s3cr3t-of-the-collector"


@pytest.fixture
async def collector() -> AsyncIterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Its address, with a key in it, and what it has taken."""
    taken: list[ExportTraceServiceRequest] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://me:{KEY}@127.0.0.1:{runner.addresses[0][1]}", taken
    await runner.cleanup()


def nowhere() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def test_every_call_of_a_run_goes_out_when_all_are_judged(
    tmp_path: Path, bench: Bench, collector: tuple[str, list[ExportTraceServiceRequest]]
) -> None:
    url, taken = collector
    bench.hearing = lambda trace: pytest.fail("sent while measuring") if taken else None
    plan, settings = plan_of(tmp_path, otlp=url, repeat=2)
    lines: list[str] = []
    summary = await run_plan(plan, settings, on_sent=lines.append)
    assert lines == [f"traces: 6 of 6 calls sent to http://127.0.0.1:{url.rpartition(':')[2]}"]
    roots = [request.resource_spans[0].scope_spans[0].spans[0] for request in taken]
    assert [root.name for root in roots] == [f"call {name}" for name in NAMES for _ in range(2)]
    assert len({root.trace_id for root in roots}) == 6
    assert on_disk(plan) == summary
    kept = [path for path in plan.run_dir.rglob("*") if path.is_file()]
    assert kept
    assert not any(KEY.encode() in path.read_bytes() for path in kept)


async def test_a_collector_that_is_not_there_costs_one_line(tmp_path: Path, bench: Bench) -> None:
    plain, settings = plan_of(tmp_path / "plain")
    expected = await run_plan(plain, settings)
    url = nowhere()
    plan, settings = plan_of(tmp_path / "sent", otlp=url)
    lines: list[str] = []
    summary = await run_plan(plan, settings, on_sent=lines.append)
    assert lines == [f"traces: 0 of 3 calls sent to {url}; cannot be reached: Connection refused ({LATER})"]
    assert (summary.status, summary.exit_code, summary.errors) == (expected.status, expected.exit_code, [])
    assert on_disk(plan) == summary


async def test_a_fault_of_ours_while_sending_costs_one_line_too(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(sent_traces, "_traces", broken)
    plan, settings = plan_of(tmp_path, otlp=nowhere())
    lines: list[str] = []
    assert (await run_plan(plan, settings, on_sent=lines.append)).exit_code == 0
    assert lines == [
        "traces: not sent: a fault of Earwitness while sending the traces: ZeroDivisionError: of ours "
        "(traceback: logs/faults.log)"
    ]


async def test_an_interrupted_run_sends_nothing(
    tmp_path: Path, bench: Bench, collector: tuple[str, list[ExportTraceServiceRequest]]
) -> None:
    url, taken = collector
    begun = asyncio.Event()

    async def until_cancelled() -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.during = lambda trace: until_cancelled() if trace == "two-a1" else None
    plan, settings = plan_of(tmp_path, otlp=url)
    lines: list[str] = []
    running = asyncio.create_task(run_plan(plan, settings, on_sent=lines.append))
    await begun.wait()
    running.cancel()
    assert (await running).exit_code == 130
    assert lines == [f"traces: not sent, the run was interrupted; {LATER}"]
    assert taken == []


async def test_ctrl_c_while_sending_leaves_the_verdict_as_it_is(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def never(*_: object) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr("harness.run.open.sent_run", never)
    plan, settings = plan_of(tmp_path, otlp=nowhere())
    running = asyncio.create_task(run_plan(plan, settings))
    await begun.wait()
    running.cancel()
    summary = await running
    assert (summary.exit_code, summary.complete) == (0, True)


async def test_an_old_run_is_sent_from_its_folder_and_a_call_that_is_gone_is_counted(
    tmp_path: Path, bench: Bench, collector: tuple[str, list[ExportTraceServiceRequest]]
) -> None:
    url, taken = collector
    plan, settings = plan_of(tmp_path)
    summary = await run_plan(plan, settings)
    (plan.run_dir / summary.cases[1].attempts[0].folder / MANIFEST).unlink()
    (plan.run_dir / summary.cases[0].attempts[0].folder / MEASUREMENT).unlink(missing_ok=True)
    target = type(settings)(otlp=url).otlp_target()
    line = await asyncio.to_thread(send_run, on_disk(plan), plan.run_dir, target)
    assert line.startswith("traces: 2 of 3 calls sent to")
    assert line.endswith("of 1 the manifest cannot be read")
    assert len(taken) == 2


def test_an_impossible_address_is_refused_before_a_call_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--otlp"):
        plan_of(tmp_path, otlp="localhost")
    assert not list(tmp_path.rglob(SUMMARY))


async def test_nothing_is_sent_unless_it_is_asked_for(tmp_path: Path, bench: Bench) -> None:
    lines: list[str] = []
    plan, settings = plan_of(tmp_path)
    assert isinstance(plan, Plan)
    await run_plan(plan, settings, on_sent=lines.append)
    assert lines == []
