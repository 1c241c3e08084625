"""The relay as a process: packets pass unchanged, each gets the fate that the model gives its number, all is logged."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness.errors import HarnessError
from harness.link.candidates import Transport
from harness.link.link import Link, open_link
from harness.link.sockets import LENGTH
from harness.model.capture import LINK_LOG
from harness.network.fate import FateModel
from harness.network.log import Row, parse_log
from harness.network.profile import Direction, Profile
from tests.link.servers import HOST, WAIT_S, media, participant, signalling

pytestmark = pytest.mark.usefixtures("no_process_left")

RTP = bytes([0x80, 111]) + (0).to_bytes(2, "big") + (960).to_bytes(4, "big") + (0xABCD).to_bytes(4, "big")


def rtp(number: int) -> bytes:
    return RTP[:2] + number.to_bytes(2, "big") + RTP[4:] + bytes(60)


def profile(**both: object) -> Profile:
    return Profile(name="test", both=Direction(**both))  # type: ignore[arg-type]


def rows(folder: Path, kind: str = "rtp") -> list[Row]:
    return [row for row in parse_log((folder / LINK_LOG).read_text()) if row.kind == kind]


async def talk(folder: Path, network: Profile, n: int, seed: int = 1, back_at_least: int = 0) -> list[bytes]:
    """`n` packets to a server that answers each; what came back, `back_at_least` so many."""
    back: list[bytes] = []
    async with signalling() as server, media() as far:
        async with open_link(server.url, network, seed=seed, folder=folder) as link:
            door = await link._open_door(far.address, "udp")
            async with participant(door) as near:
                for number in range(n):
                    near.transport.sendto(rtp(number))
                    await asyncio.sleep(0.002)  # packets of a stream, one after the other
                while len(back) < back_at_least:
                    back.append(await near.next())
                async with asyncio.timeout(WAIT_S):
                    # what is lost comes nowhere but into the log, and a file has no event
                    while sum(row.way == "up" for row in rows(folder)) < n:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
    return back


async def test_packets_pass_unchanged_and_each_is_a_line_of_the_log(tmp_path: Path) -> None:
    back = await talk(tmp_path, profile(), 20, back_at_least=20)
    assert back == [rtp(number) for number in range(20)]
    log = rows(tmp_path)
    assert [row.seq for row in log if row.way == "up"] == list(range(20))
    assert {(row.ident, row.rtp_ts, row.size_bytes, row.fate) for row in log} == {("0000abcd", 960, 72, "ok")}
    assert all(row.departed_ms is not None and row.departed_ms >= row.arrived_ms for row in log)


async def test_delay_and_jitter_are_applied_each_way_at_absolute_deadlines(tmp_path: Path) -> None:
    network = Profile(name="x", uplink=Direction(delay_ms=30, jitter_ms=20), downlink=Direction(delay_ms=80))
    await talk(tmp_path, network, 40, back_at_least=40)
    for row in rows(tmp_path):
        assert row.planned_ms is not None
        assert row.departed_ms is not None
        waits_ms = row.planned_ms - row.arrived_ms
        assert (10 <= waits_ms <= 50) if row.way == "up" else waits_ms == pytest.approx(80, abs=0.01)
        assert row.departed_ms >= row.planned_ms - 0.001


async def test_the_log_holds_the_fates_that_the_model_gives_these_numbers(tmp_path: Path) -> None:
    network = profile(delay_ms=5, jitter_ms=5, loss_percent=30, duplicate_percent=10)
    await talk(tmp_path, network, 100, seed=7)
    log = [row for row in parse_log((tmp_path / LINK_LOG).read_text()) if row.way == "up"]
    model = FateModel(network.up.impairment(), 7, "uplink")
    for row in sorted(log, key=lambda row: row.n):
        fate = model.decide(row.size_bytes, row.arrived_ms)
        assert (row.n, row.fate) == (fate.n, fate.cause or ("twice" if fate.copies == 2 else "ok"))
    assert {"ok", "loss", "twice"} <= {row.fate for row in log}


async def test_media_over_tcp_reaches_a_server_that_speaks_udp(tmp_path: Path) -> None:
    async with signalling() as server, media() as far:
        network = Profile(name="x", udp_blocked=True)
        async with open_link(server.url, network, seed=1, folder=tmp_path) as link:
            reader, writer = await asyncio.open_connection(HOST, await link._open_door(far.address, "tcp_from_udp"))
            for number in range(3):
                writer.write(LENGTH.pack(len(rtp(number))) + rtp(number))
            async with asyncio.timeout(WAIT_S):
                for number in range(3):
                    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                    assert await reader.readexactly(length) == rtp(number)
            writer.close()
            await writer.wait_closed()
    assert [row.fate for row in rows(tmp_path)] == ["ok"] * 6


async def test_a_tcp_pair_whose_one_end_closes_while_the_other_is_full_costs_the_pair_and_not_the_relay(
    tmp_path: Path,
) -> None:
    with socket.create_server((HOST, 0)) as deaf:  # takes connections and reads nothing
        async with signalling() as server, media() as far:
            async with open_link(server.url, Profile(name="x", udp_blocked=True), seed=1, folder=tmp_path) as link:
                reader, writer = await asyncio.open_connection(HOST, await link._open_door(deaf.getsockname(), "tcp"))
                packet = LENGTH.pack(60_000) + bytes(60_000)
                for _ in range(200):  # 12 MB, more than the kernel takes for a reader who does not read
                    writer.write(packet)
                    await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(WAIT_S):
                    with suppress(ConnectionError):
                        assert await reader.read() == b""  # the relay has closed the pair
                writer.close()
                async with participant(await link._open_door(far.address, "udp")) as near:
                    near.transport.sendto(rtp(0))
                    assert await near.next() == rtp(0)
                assert not link.lost.is_set()


@pytest.mark.parametrize("transport", ["udp", "tcp_from_udp", "tcp"])
async def test_a_server_that_this_machine_has_no_way_to_costs_its_packets_and_not_the_relay(
    tmp_path: Path, transport: Transport
) -> None:
    nowhere = ("255.255.255.255", 9)  # refused by the kernel as soon as it is asked
    async with signalling() as server, media() as far:
        async with open_link(server.url, profile(), seed=1, folder=tmp_path) as link:
            door = await link._open_door(nowhere, transport)
            if transport == "udp":
                async with participant(door) as near:
                    near.transport.sendto(rtp(0))
            else:
                _, writer = await asyncio.open_connection(HOST, door)
                writer.write(LENGTH.pack(len(rtp(0))) + rtp(0))
                writer.close()
            async with participant(await link._open_door(far.address, "udp")) as near:
                near.transport.sendto(rtp(1))
                assert await near.next() == rtp(1)
            assert not link.lost.is_set()
    assert all(row.fate.startswith("unsent") for row in rows(tmp_path) if row.seq == 0)


async def test_a_packet_for_a_connection_that_is_closed_is_logged_as_unsent(tmp_path: Path) -> None:
    async with signalling() as server, media() as far:
        network = Profile(name="x", udp_blocked=True, downlink=Direction(delay_ms=300))
        async with open_link(server.url, network, seed=1, folder=tmp_path) as link:
            reader, writer = await asyncio.open_connection(HOST, await link._open_door(far.address, "tcp_from_udp"))
            writer.write(LENGTH.pack(len(rtp(0))) + rtp(0))
            await far.next()
            writer.write_eof()
            async with asyncio.timeout(WAIT_S):
                assert await reader.read() == b""
            writer.close()
            await logged(tmp_path)
    (down,) = [row for row in rows(tmp_path) if row.way == "down"]
    assert down.fate.startswith("unsent")


async def test_an_outage_and_a_change_in_mid_call_hold_from_then_on(tmp_path: Path) -> None:
    async with signalling() as server, media() as far:
        async with open_link(server.url, profile(), seed=1, folder=tmp_path) as link:
            async with participant(await link._open_door(far.address, "udp")) as near:
                near.transport.sendto(rtp(0))
                assert await near.next() == rtp(0)
                await link.change(uplink=Direction(delay_ms=40))
                near.transport.sendto(rtp(1))
                assert await near.next() == rtp(1)
                await link.cut(60_000, "downlink")
                near.transport.sendto(rtp(2))
                assert [await far.next() for _ in range(3)] == [rtp(n) for n in range(3)]
            record = link.record()
    assert [(done.for_ms, done.ways) for done in record.done] == [(None, ("up",)), (60_000, ("down",))]
    by_seq = {(row.way, row.seq): row for row in rows(tmp_path)}
    assert by_seq["up", 1].planned_ms == pytest.approx(by_seq["up", 1].arrived_ms + 40, abs=0.01)
    assert by_seq["down", 2].fate == "outage"


async def test_the_echo_is_measured_each_way_from_outside(tmp_path: Path) -> None:
    async with signalling() as server:
        network = Profile(name="x", uplink=Direction(delay_ms=20), downlink=Direction(delay_ms=60))
        async with open_link(server.url, network, seed=1, folder=tmp_path) as link:
            async with asyncio.timeout(WAIT_S):
                while sum(echo.back_ms is not None for echo in link.record().echo) < 3:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.05)
            echoes = link.record().echo
    for echo in echoes:
        if echo.served_ms is not None and echo.back_ms is not None:
            assert echo.served_ms - echo.sent_ms >= 20
            assert echo.back_ms - echo.served_ms >= 60
    logged = {row.seq for row in rows(tmp_path, "echo") if row.way == "down"}
    assert {echo.n for echo in echoes if echo.back_ms is not None} <= logged


async def test_a_relay_that_dies_is_noticed_and_its_log_can_be_read(tmp_path: Path) -> None:
    async with signalling() as server, media() as far:
        async with open_link(server.url, profile(), seed=1, folder=tmp_path) as link:
            async with participant(await link._open_door(far.address, "udp")) as near:
                near.transport.sendto(rtp(0))
                await near.next()
                await logged(tmp_path)
                assert link.pid is not None
                os.kill(link.pid, signal.SIGKILL)
                async with asyncio.timeout(WAIT_S):
                    await link.lost.wait()
                assert "relay ended with -9" in link.lost_why
                with pytest.raises(HarnessError, match="relay"):
                    await link.cut(100)
    assert link.record().lost == link.lost_why
    assert [row.seq for row in rows(tmp_path) if row.way == "up"] == [0]


async def logged(folder: Path) -> None:
    """Until the relay has written lines for the packets so far."""
    async with asyncio.timeout(WAIT_S):
        while not any(row.way == "down" for row in rows(folder)):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


async def test_nothing_stays_behind_even_if_the_log_cannot_be_written(tmp_path: Path) -> None:
    async with signalling() as server:
        (tmp_path / LINK_LOG).mkdir()
        with pytest.raises(HarnessError, match=r"link\.csv: Is a directory"):
            async with open_link(server.url, profile(), seed=1, folder=tmp_path):
                raise AssertionError("it must not open")


async def test_the_relay_ends_with_the_link(tmp_path: Path) -> None:
    opened: Link | None = None
    async with signalling() as server:
        async with open_link(server.url, profile(), seed=1, folder=tmp_path) as opened:
            assert opened.pid is not None
            assert psutil.pid_exists(opened.pid)
    assert opened.pid is not None
    assert not psutil.pid_exists(opened.pid)
    assert not (tmp_path / "link.log").exists()  # it had nothing to complain of
