"""Calls over impaired networks: they go through the link, and whatever the link does ends with its name.

Asserted is what neither chance nor a busy host can turn (see went_through.py).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import harness.link.link as link_module
import harness.live.network as network_module
from harness.link.link import Link
from harness.listen.measure import listen
from harness.listen.metrics.recovery import RESOLUTION_MS
from harness.listen.network_proof.applied import NAMES
from harness.listen.read.reading import read_capture
from harness.model.capture import LINK, LINK_LOG, Manifest
from harness.model.measurement import Measurement
from harness.model.plan import BuiltCase, NetworkSpec
from harness.model.status import CaptureStatus
from harness.network.log import Row, parse_log
from harness.network.record import LinkRecord
from tests.link.kernels import qdisc_of_any_kernel, way_into_a_namespace
from tests.live.conftest import OpenBench
from tests.live.test_what_breaks import attempt_until, impatient, recordings_are_readable
from tests.live.went_through import went_through_the_link

pytestmark = [pytest.mark.live, pytest.mark.net, pytest.mark.usefixtures("no_process_left")]

Built = Callable[[str], BuiltCase]


async def call(
    bench: OpenBench, case: BuiltCase, network: str, lane: str = "bot"
) -> tuple[Path, Manifest, Measurement]:
    async with bench(lane=lane, network=NetworkSpec(network)) as b:
        folder, manifest = await b.attempt(case)
    return folder, manifest, listen(folder)


def rows(folder: Path) -> list[Row]:
    return list(parse_log((folder / LINK_LOG).read_text()))


@pytest.mark.parametrize("network", ["wifi_good", "4g_ok", "bad_wifi"])
async def test_a_call_goes_through_a_profile_without_a_browser(bench: OpenBench, built: Built, network: str) -> None:
    folder, manifest, measurement = await call(bench, built("question_short"), network)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert manifest.link == network
    went_through_the_link(folder, measurement)


async def test_a_call_goes_through_a_profile_in_the_browser(bench: OpenBench, built: Built) -> None:
    folder, manifest, measurement = await call(bench, built("question_short"), "bad_wifi", "browser")
    assert manifest.status is CaptureStatus.OK, manifest.detail
    went_through_the_link(folder, measurement)
    for way in NAMES:  # both directions lose some of it: by this seed their 7th and 47th packet
        assert {"ok", "loss"} <= {row.fate for row in rows(folder) if row.way == way}


@pytest.mark.parametrize("lane", ["bot", "browser"])
async def test_a_call_goes_through_the_kernel(
    bench: OpenBench, built: Built, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = way_into_a_namespace()
    monkeypatch.setattr(network_module, "way_in", lambda: way)
    monkeypatch.setattr(link_module, "qdisc", qdisc_of_any_kernel)
    async with bench(lane=lane, network=NetworkSpec("wifi_good", link="netem")) as b:
        folder, manifest = await b.attempt(built("question_short"))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert LinkRecord.model_validate_json((folder / LINK).read_text()).kind == "netem"
    went_through_the_link(folder, listen(folder))


@pytest.mark.parametrize("lane", ["bot", "browser"])
async def test_with_udp_blocked_the_call_is_held_over_tcp(bench: OpenBench, built: Built, lane: str) -> None:
    folder, manifest, measurement = await call(bench, built("question_short"), "udp_blocked", lane)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    went_through_the_link(folder, measurement)
    reports = [report for line in read_capture(folder).stats for report in line.reports]
    if lane == "browser":
        used = {r["remoteCandidateId"] for r in reports if r.get("type") == "candidate-pair" and r.get("nominated")}
        assert {r["protocol"] for r in reports if r.get("type") == "remote-candidate" and r["id"] in used} == {"tcp"}


async def test_an_outage_in_the_reply_happens_at_its_mark(bench: OpenBench, built: Built, tmp_path: Path) -> None:
    network = tmp_path / "cut.yaml"
    network.write_text(yaml.safe_dump({"outages": [{"after": "reply_start", "delay_ms": 1000, "for_ms": 300}]}))
    folder, manifest, measurement = await call(bench, built("long_reply_story"), str(network))
    assert manifest.status is CaptureStatus.OK, manifest.detail
    went_through_the_link(folder, measurement)
    (done,) = LinkRecord.model_validate_json((folder / LINK).read_bytes()).done
    assert done.for_ms == 300
    lost = [row for row in rows(folder) if row.fate == "outage" and row.kind == "rtp"]
    assert {row.way for row in lost} == {"up", "down"}
    assert all(done.at_ms - 5 <= row.arrived_ms <= done.at_ms + 305 for row in lost)
    recovery = measurement.metrics["recovery_ms"]
    assert recovery.value is not None, recovery.reason
    first_packet = next(t.metrics for t in measurement.turns if "recovery_ms" in t.metrics)["recovery_first_packet_ms"]
    assert first_packet.value is not None
    if "paused" not in recovery.reason:  # nothing is heard of what has not come
        assert 0 <= first_packet.value <= recovery.value + RESOLUTION_MS


async def test_the_network_can_be_changed_in_mid_call_by_the_api(bench: OpenBench, built: Built) -> None:
    links: list[Link] = []

    def on_phase(phase: str) -> None:
        if phase == "speak":
            worse = links[0].profile.down.model_copy(update={"delay_ms": 120.0})
            changes.append(asyncio.get_running_loop().create_task(links[0].change(downlink=worse)))

    changes: list[asyncio.Task[None]] = []
    async with bench(network=NetworkSpec("wifi_good")) as b:
        folder, manifest = await b.attempt(built("question_short"), on_phase, links.append)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    went_through_the_link(folder, listen(folder))
    (done,) = LinkRecord.model_validate_json((folder / LINK).read_bytes()).done
    assert done.down is not None
    assert done.down.delay_ms == 120


async def test_a_relay_that_dies_has_its_name_and_the_next_attempt_works(bench: OpenBench, built: Built) -> None:
    links: list[Link] = []
    async with bench(network=NetworkSpec("4g_ok")) as b:

        def kill() -> None:
            assert links[0].pid is not None
            os.kill(links[0].pid, signal.SIGKILL)

        attempt = b.attempt
        b.attempt = lambda case, on_phase: attempt(case, on_phase, links.append)  # type: ignore[method-assign,assignment]
        folder, status = await attempt_until(b, built("long_reply_story"), "speak", kill)
        assert status is CaptureStatus.LINK_LOST
        assert b.broken is None
        _, again = await b.attempt(built("endpoint_short_hello"), lambda phase: None)
        assert again.status is CaptureStatus.OK, again.detail
    recordings_are_readable(folder)
    assert rows(folder)


async def test_a_proxy_that_dies_has_its_name(bench: OpenBench, built: Built) -> None:
    links: list[Link] = []
    ended: list[asyncio.Task[None]] = []
    async with bench(network=NetworkSpec("wifi_good")) as b:

        def end() -> None:
            proxy = links[0]._proxy
            assert proxy is not None
            assert proxy._runner is not None
            ended.append(asyncio.get_running_loop().create_task(proxy._runner.shutdown()))

        attempt = b.attempt
        b.attempt = lambda case, on_phase: attempt(case, on_phase, links.append)  # type: ignore[method-assign,assignment]
        folder, status = await attempt_until(b, built("long_reply_story"), "speak", end)
    assert status is CaptureStatus.LINK_LOST
    recordings_are_readable(folder)


async def test_an_outage_longer_than_the_calls_patience_drops_the_call(
    bench: OpenBench, built: Built, tmp_path: Path
) -> None:
    network = tmp_path / "gone.yaml"
    network.write_text(yaml.safe_dump({"outages": [{"after": "call_start", "delay_ms": 500, "for_ms": 120_000}]}))
    async with bench(network=NetworkSpec(str(network))) as b:
        folder, manifest = await b.attempt(impatient(built("question_short")))
    assert manifest.status is CaptureStatus.CALL_DROPPED, manifest.detail
    assert "did not outlive an outage of 120 s" in manifest.detail
    recordings_are_readable(folder)
