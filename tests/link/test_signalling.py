"""The signalling proxy: everything passes, and every way for media but the one through the relay is left out."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from livekit.protocol import rtc

from harness.errors import ProvisionError
from harness.link.link import Link, open_link
from harness.link.signalling import turn_join_request
from harness.network.profile import Profile
from tests.link.servers import TCP, UDP, WAIT_S, Signalling, sdp, signalling


@asynccontextmanager
async def through(
    folder: Path, server: Signalling, *, udp_blocked: bool = False, offers_tcp: bool = False
) -> AsyncIterator[tuple[Link, aiohttp.ClientWebSocketResponse]]:
    network = Profile(name="x", udp_blocked=udp_blocked)
    async with open_link(server.url, network, seed=1, folder=folder, server_offers_tcp=offers_tcp) as link:
        async with aiohttp.ClientSession() as client:
            headers = {"Authorization": "Bearer token"}
            async with client.ws_connect(f"{link.url}/rtc?access_token=a%2Bb&sdk=js", headers=headers) as socket:
                yield link, socket


async def greeting(socket: aiohttp.ClientWebSocketResponse, n: int) -> list[rtc.SignalResponse]:
    async with asyncio.timeout(WAIT_S):
        return [rtc.SignalResponse.FromString((await socket.receive()).data) for _ in range(n)]


async def test_udp_candidates_lead_to_the_relay_and_all_others_are_left_out(tmp_path: Path) -> None:
    async with signalling() as server, through(tmp_path, server) as (link, socket):
        join, offer, trickled, end = await greeting(socket, 4)
        assert not join.join.ice_servers  # TURN would lead around the relay
        assert join.join.alternative_url == ""
        assert join.join.ping_timeout == 15
        candidate = json.loads(trickled.trickle.candidateInit)
        assert candidate["sdpMid"] == "0"
        words = candidate["candidate"].split()
        assert words[2:5] == ["udp", "2130706431", "127.0.0.1"]
        assert f"a={candidate['candidate']}" in offer.offer.sdp.split("\r\n")  # the same door
        assert "192.0.2.7" not in offer.offer.sdp
        assert "tcp" not in offer.offer.sdp
        assert json.loads(end.trickle.candidateInit)["candidate"] == ""
        assert link.record().candidates_turned == 2
        assert server.paths == ["/rtc?access_token=a%2Bb&sdk=js"]
        assert server.headers[0]["Authorization"] == "Bearer token"


async def test_the_server_is_told_none_of_the_participants_own_addresses(tmp_path: Path) -> None:
    async with signalling() as server, through(tmp_path, server) as (_, socket):
        trickle = rtc.TrickleRequest(candidateInit=json.dumps({"candidate": f"candidate:{UDP}"}))
        await socket.send_bytes(rtc.SignalRequest(trickle=trickle).SerializeToString())
        answer = rtc.SessionDescription(type="answer", sdp=sdp(UDP, TCP))
        await socket.send_bytes(rtc.SignalRequest(answer=answer).SerializeToString())
        await socket.send_bytes(rtc.SignalRequest(ping=5).SerializeToString())
        assert (await server.next()).answer.sdp == sdp()  # the trickled one never came
        assert (await server.next()).ping == 5


@pytest.mark.parametrize("offers_tcp", [False, True])
async def test_with_udp_blocked_only_tcp_is_offered(tmp_path: Path, offers_tcp: bool) -> None:
    async with signalling() as server:
        async with through(tmp_path, server, udp_blocked=True, offers_tcp=offers_tcp) as (_, socket):
            _, offer, trickled, _ = await greeting(socket, 4)
    found = [line for line in offer.offer.sdp.split("\r\n") if "candidate:" in line]
    assert len(found) == 1
    assert " tcp " in found[0]
    assert found[0].endswith("typ host tcptype passive")
    assert "a=" + json.loads(trickled.trickle.candidateInit)["candidate"] == found[0]


async def test_a_second_connection_passes_as_the_first_did(tmp_path: Path) -> None:
    """A participant that reconnects comes with a new WebSocket and restarts ICE."""
    async with signalling() as server, through(tmp_path, server) as (link, socket):
        _, first, *_ = await greeting(socket, 4)
        await socket.close()
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(f"{link.url}/rtc?reconnect=1") as again:
                _, second, *_ = await greeting(again, 4)
    assert second.offer.sdp == first.offer.sdp
    assert server.paths[1] == "/rtc?reconnect=1"


async def test_what_the_server_says_over_http_passes(tmp_path: Path) -> None:
    async with signalling() as server, through(tmp_path, server) as (link, _):
        async with aiohttp.ClientSession() as client:
            async with client.get(link.url.replace("ws", "http", 1) + "/rtc/validate?access_token=x") as answer:
                assert (answer.status, await answer.text()) == (401, "no permission")


async def test_a_server_that_hangs_up_hangs_up_on_the_participant_and_the_link_lives_on(tmp_path: Path) -> None:
    async with signalling() as server:
        async with open_link(server.url, Profile(name="x"), seed=1, folder=tmp_path) as link:
            async with aiohttp.ClientSession() as client, client.ws_connect(f"{link.url}/rtc") as socket:
                await greeting(socket, 4)
                await socket.send_str("not a signal request")  # the stand-in's handler ends on it
                async with asyncio.timeout(WAIT_S):
                    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            assert not link.lost.is_set()


async def test_a_message_that_cannot_be_turned_ends_the_link_at_once_though_both_sides_stay(tmp_path: Path) -> None:
    async with (
        signalling(then=(b"\xff no response of livekit's",)) as server,
        through(tmp_path, server) as (link, socket),
    ):
        await greeting(socket, 4)
        async with asyncio.timeout(WAIT_S):
            await link.lost.wait()
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert "DecodeError" in link.lost_why


async def test_a_proxy_that_goes_down_is_noticed(tmp_path: Path) -> None:
    async with signalling() as server, through(tmp_path, server) as (link, _):
        assert link._proxy is not None
        assert link._proxy._runner is not None
        await link._proxy._runner.cleanup()
        async with asyncio.timeout(WAIT_S):
            await link.lost.wait()
        assert link.lost_why == "the link's signalling proxy failed: its server was shut down"


async def test_a_port_that_is_taken_is_named_and_nothing_stays_behind(tmp_path: Path, no_process_left: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProvisionError, match=f"signalling proxy cannot use port {port}: "):
            async with open_link("ws://127.0.0.1:1", Profile(name="x"), seed=1, folder=tmp_path, proxy_port=port):
                raise AssertionError("it must not open")


def test_candidates_in_the_address_of_the_first_request_are_left_out_too() -> None:
    request = rtc.JoinRequest(publisher_offer=rtc.SessionDescription(type="offer", sdp=sdp(UDP)), participant_sid="p")
    for kind, pack in ((rtc.WrappedJoinRequest.GZIP, gzip.compress), (rtc.WrappedJoinRequest.NONE, bytes)):
        wrapped = rtc.WrappedJoinRequest(compression=kind, join_request=pack(request.SerializeToString()))
        text = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
        turned = rtc.WrappedJoinRequest.FromString(base64.urlsafe_b64decode(turn_join_request(text)))
        told = gzip.decompress(turned.join_request) if pack is gzip.compress else turned.join_request
        assert rtc.JoinRequest.FromString(told).publisher_offer.sdp == sdp()
        assert rtc.JoinRequest.FromString(told).participant_sid == "p"
