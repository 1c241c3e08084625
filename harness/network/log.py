"""The relay's packet log: what a packet is, one line for each, and reading them again. Standard library alone, no I/O.

A line is CSV with the columns of HEADER. Times are ms of CLOCK_MONOTONIC; `arrived` is the kernel's time where there
is one, so that a late read by the relay shows as lateness. The first bytes say what a packet is (RFC 7983); of RTP and
RTCP only the header is read, which is not encrypted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Way = Literal["up", "down"]

HEADER = "way,n,flow,kind,bytes,id,seq,rtp_ts,arrived_ms,queued_ms,planned_ms,departed_ms,fate"
ECHO_MAGIC = b"\xffEWE"  # no first byte of STUN, DTLS, TURN or RTP
ECHO = struct.Struct("!4sI")
ECHO_BYTES = 40
DELIVERED = ("ok", "twice")


@dataclass(frozen=True)
class Kind:
    """What a packet is. `ident`: RTP's source, RTCP's packet type (of a compound: the first), STUN's transaction.
    `seq`, `rtp_ts`: RTP's, or the number of an echo.
    """

    kind: Literal["rtp", "rtcp", "stun_request", "stun_response", "stun", "dtls", "echo", "other"]
    ident: str = ""
    seq: int | None = None
    rtp_ts: int | None = None


def inspect(data: bytes) -> Kind:
    """What `data`, the payload of one UDP packet, is."""
    first = data[0] if data else 255
    if 128 <= first < 192 and len(data) >= 12:
        if 192 <= data[1] <= 223:
            return Kind("rtcp", str(data[1]))
        seq, rtp_ts, ssrc = struct.unpack_from("!HII", data, 2)
        return Kind("rtp", f"{ssrc:08x}", seq, rtp_ts)
    if first < 4 and len(data) >= 20:
        transaction = data[8:20].hex()
        match struct.unpack_from("!H", data)[0]:
            case 0x0001:
                return Kind("stun_request", transaction)
            case 0x0101:
                return Kind("stun_response", transaction)
            case _:
                return Kind("stun", transaction)
    if 20 <= first < 64:
        return Kind("dtls")
    if data.startswith(ECHO_MAGIC) and len(data) >= ECHO.size:
        return Kind("echo", "", ECHO.unpack_from(data)[1])
    return Kind("other")


def echo_packet(number: int) -> bytes:
    """A probe packet of the echo, of the size of a small voice packet."""
    return ECHO.pack(ECHO_MAGIC, number).ljust(ECHO_BYTES, b"\0")


@dataclass(frozen=True)
class Row:
    """One packet of the log. `planned_ms` and `departed_ms` are None for what was lost; `fate`: ok, twice, or a cause."""

    way: Way
    n: int
    flow: int
    kind: str
    size_bytes: int
    ident: str
    seq: int | None
    rtp_ts: int | None
    arrived_ms: float
    queued_ms: float
    planned_ms: float | None
    departed_ms: float | None
    fate: str

    @property
    def lateness_ms(self) -> float | None:
        """How much later it left than planned."""
        return None if self.departed_ms is None or self.planned_ms is None else self.departed_ms - self.planned_ms

    @property
    def delay_ms(self) -> float | None:
        """The link's delay besides queueing."""
        return None if self.departed_ms is None else self.departed_ms - self.arrived_ms - self.queued_ms

    def line(self) -> str:
        planned = "" if self.planned_ms is None else f"{self.planned_ms:.3f}"
        departed = "" if self.departed_ms is None else f"{self.departed_ms:.3f}"
        seq, rtp_ts = "" if self.seq is None else self.seq, "" if self.rtp_ts is None else self.rtp_ts
        return (
            f"{self.way},{self.n},{self.flow},{self.kind},{self.size_bytes},{self.ident},{seq},{rtp_ts},"
            f"{self.arrived_ms:.3f},{self.queued_ms:.3f},{planned},{departed},{self.fate}\n"
        )


def parse_log(text: str) -> Iterator[Row]:
    """The rows of a log; a torn last line, which a kill leaves, is left out. Raises ValueError for another format."""
    header, _, body = text.partition("\n")
    if header != HEADER:
        raise ValueError(f"columns {header[:60]!r}, not those of this version")
    for line in body.split("\n")[:-1]:
        way, n, flow, kind, size, ident, seq, rtp_ts, arrived, queued, planned, departed, fate = line.split(",")
        if way not in ("up", "down"):
            raise ValueError(f"direction {way!r}")
        yield Row(
            way=way,  # type: ignore[arg-type]
            n=int(n),
            flow=int(flow),
            kind=kind,
            size_bytes=int(size),
            ident=ident,
            seq=int(seq) if seq else None,
            rtp_ts=int(rtp_ts) if rtp_ts else None,
            arrived_ms=float(arrived),
            queued_ms=float(queued),
            planned_ms=float(planned) if planned else None,
            departed_ms=float(departed) if departed else None,
            fate=fate,
        )
