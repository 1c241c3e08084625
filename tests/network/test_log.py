"""What a packet is, told by its first bytes."""

from __future__ import annotations

import struct

import pytest

from harness.network.log import Kind, echo_packet, inspect

SOURCE = 0x0000AAAA


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (struct.pack("!BBHII", 0x80, 111, 7, 960, SOURCE), Kind("rtp", "0000aaaa", 7, 960)),
        (struct.pack("!BBHIII", 0x80, 200, 6, SOURCE, 1, 2), Kind("rtcp", "200")),
        (
            struct.pack("!BBHI", 0x81, 201, 7, SOURCE) + bytes(38),
            Kind("rtcp", "201"),
        ),  # encrypted after these eight bytes
        (struct.pack("!HHI", 0x0001, 0, 0x2112A442) + bytes(range(12)), Kind("stun_request", bytes(range(12)).hex())),
        (struct.pack("!HHI", 0x0101, 0, 0x2112A442) + bytes(range(12)), Kind("stun_response", bytes(range(12)).hex())),
        (b"\x16\xfe\xfd", Kind("dtls")),
        (echo_packet(3), Kind("echo", "", 3)),
        (b"", Kind("other")),
        (b"\x80\xc9", Kind("other")),
    ],
)
def test_a_packet_is_told_by_its_first_bytes(data: bytes, kind: Kind) -> None:
    assert inspect(data) == kind
