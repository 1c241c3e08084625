"""Packets through the kernel: namespaces, sockets and log as with netem, with the qdiscs that any kernel has (tbf, pfifo).

Where the kernel has netem, a profile is applied by it and proven; the words for it are in test_netem.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

import harness.link.link as link_module
from harness.errors import HarnessError, ProvisionError
from harness.link.link import Link, open_link
from harness.link.netem import way_in
from harness.listen.network_proof import applied
from harness.listen.network_proof.applied import prove
from harness.model.capture import LINK_LOG
from harness.network.log import parse_log
from harness.network.profile import Direction, Profile, load_profile
from tests.chance import NETEM_LEVEL, NETEM_SD
from tests.link.kernels import qdisc_of_any_kernel, way_into_a_namespace
from tests.link.servers import Endpoint, media, participant, signalling
from tests.link.test_relay import rows, rtp

NARROW_KBPS = 40
pytestmark = pytest.mark.usefixtures("no_process_left")


@pytest.fixture(scope="module")
def namespace() -> Sequence[str]:
    return way_into_a_namespace()


@pytest.fixture
def any_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "qdisc", qdisc_of_any_kernel)


@asynccontextmanager
async def through_kernel(folder: Path, profile: Profile, way: Sequence[str]) -> AsyncIterator[tuple[Link, Endpoint]]:
    """A link whose packets the kernel takes, and a participant behind it; the far end sends each packet back."""
    async with signalling() as server, media() as far:
        async with open_link(server.url, profile, seed=1, folder=folder, netem_way_in=way) as link:
            async with participant(await link._open_door(far.address, "udp")) as near:
                yield link, near


async def send(near: Endpoint, numbers: range, every_s: float = 0.005) -> None:
    for number in numbers:
        near.transport.sendto(rtp(number))
        await asyncio.sleep(every_s)


async def heard(near: Endpoint, quiet_s: float = 2.0) -> list[bytes]:
    """All that comes until nothing has come for a while."""
    came: list[bytes] = []
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(quiet_s):
                came.append(await near.came.get())
    return came


@pytest.mark.usefixtures("any_kernel")
async def test_packets_pass_unchanged_and_each_is_a_line_of_the_log(tmp_path: Path, namespace: Sequence[str]) -> None:
    async with through_kernel(tmp_path, Profile(name="x"), namespace) as (link, near):
        await send(near, range(40))
        back = [await near.next() for _ in range(40)]
        record = link.record()
    assert back == [rtp(number) for number in range(40)]
    log = rows(tmp_path)
    assert [row.seq for row in log if row.way == "up"] == list(range(40))
    assert {(row.ident, row.rtp_ts, row.size_bytes, row.fate) for row in log} == {("0000abcd", 960, 72, "ok")}
    for row in log:
        assert row.planned_ms is not None
        assert row.departed_ms is not None
        assert row.arrived_ms <= row.planned_ms <= row.departed_ms  # when the kernel let it go is known
    assert record.kind == "netem"


@pytest.mark.usefixtures("any_kernel")
async def test_what_the_kernel_drops_is_lost_in_the_log_and_the_rest_is_late(
    tmp_path: Path, namespace: Sequence[str]
) -> None:
    narrow = Profile(name="x", uplink=Direction(bandwidth_kbps=NARROW_KBPS, queue_ms=300))
    async with through_kernel(tmp_path, narrow, namespace) as (_, near):
        await send(near, range(150), 0.0)  # at once: paced by a busy host they would fit through
        back = {int.from_bytes(data[2:4], "big") for data in await heard(near, 3.0)}
    log = {row.seq: row for row in rows(tmp_path) if row.way == "up"}
    passed = {seq for seq, row in log.items() if row.fate == "ok"}
    assert passed == back
    assert {row.fate for row in log.values()} <= {"ok", "queue", "loss"}
    assert 0 < len(passed) < len(log) == 150
    late = [row.departed_ms - row.arrived_ms for row in log.values() if row.departed_ms is not None]
    assert max(late) > 200  # they stood in the queue


@pytest.mark.usefixtures("any_kernel")
async def test_a_change_in_mid_call_holds_from_the_next_packet_on(tmp_path: Path, namespace: Sequence[str]) -> None:
    async with through_kernel(tmp_path, Profile(name="x"), namespace) as (link, near):
        await send(near, range(50))
        await link.change(uplink=Direction(bandwidth_kbps=NARROW_KBPS, queue_ms=300))
        await send(near, range(50, 150), 0.0)
        back = {int.from_bytes(data[2:4], "big") for data in await heard(near, 3.0)}
        await link.cut(60_000)
        await send(near, range(200, 210))
        assert not await heard(near, 0.3)
    assert back > set(range(50))
    assert len(back) < 150
    fates: dict[int | None, str] = {row.seq: row.fate for row in rows(tmp_path) if row.way == "up"}
    assert {fates[number] for number in range(200, 210)} == {"outage"}
    assert {fates[number] for number in range(50)} == {"ok"}


@pytest.mark.usefixtures("any_kernel")
async def test_a_change_that_the_kernel_refuses_is_one_error_and_the_call_goes_on(
    tmp_path: Path, namespace: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with through_kernel(tmp_path, Profile(name="x"), namespace) as (link, near):
        with monkeypatch.context() as patched:
            patched.setattr(link_module, "qdisc", lambda direction: ["no_such_qdisc"])
            with pytest.raises(HarnessError, match="no_such_qdisc"):
                await link.change(uplink=Direction(), downlink=Direction())
        await link.change(uplink=Direction())  # the next question has the answer to itself
        await send(near, range(10))
        assert [await near.next() for _ in range(10)] == [rtp(number) for number in range(10)]


async def test_a_qdisc_that_the_kernel_does_not_have_is_said_in_its_words(
    tmp_path: Path, namespace: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "qdisc", lambda direction: ["no_such_qdisc"])
    async with signalling() as server:
        with pytest.raises(HarnessError, match=r"the link's relay: tc qdisc add dev lo root no_such_qdisc: .+"):
            async with open_link(server.url, Profile(name="x"), seed=1, folder=tmp_path, netem_way_in=namespace):
                raise AssertionError("it must not open")


async def test_a_profile_is_applied_by_netem_and_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executed where the kernel has netem, whose chance has no seed: held to what one run in 100,000 crosses."""
    monkeypatch.setattr(applied, "CHANCE_LEVEL", NETEM_LEVEL)
    monkeypatch.setattr(applied, "CHANCE_SD", NETEM_SD)
    try:
        way = way_in()
    except ProvisionError as error:
        pytest.skip(f"kernel netem cannot be used here: {error}")
    async with through_kernel(tmp_path, load_profile("bad_wifi"), way) as (link, near):
        await send(near, range(600), 0.01)
        await heard(near)
        record = link.record()
    log, echo, _ = prove(record, list(parse_log((tmp_path / LINK_LOG).read_text())), []).figures
    assert log.agrees, log.text
    assert echo.agrees, echo.text
