"""Decode what a browser's MediaRecorder wrote (WebM with one Opus track) to float32 mono at 48 kHz.

libsndfile decodes Opus, but only in Ogg: the packets are taken out of the WebM (Matroska: RFC 9559; unknown lengths as a
live recorder writes them, no lacing) and put into an Ogg stream in memory (RFC 3533, RFC 7845). No FFmpeg is needed: its
Python wheels bring GPL encoders. A recording that was cut off by a crash is read as far as it goes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from harness.model.audio import Audio

RATE_HZ = 48_000
EBML = b"\x1a\x45\xdf\xa3"
SEGMENT, CLUSTER, TRACKS, TRACK, BLOCK_GROUP = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0
CODEC_ID, CODEC_PRIVATE, TIMESTAMP, SIMPLE_BLOCK, BLOCK = 0x86, 0x63A2, 0xE7, 0xA3, 0xA1
MASTERS = (SEGMENT, CLUSTER, TRACKS, TRACK, BLOCK_GROUP)
FRAMES_MS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4  # by the TOC's configuration (RFC 6716, table 2)
OPUS_HEAD = b"OpusHead"
SERIAL = 1
PAGE_SEGMENTS = 255


class WebmError(ValueError):
    """What is wrong with the file, in a few words."""


@dataclass(frozen=True)
class WebmAudio:
    """`span_ms`: from the first packet's time stamp to the end of the last; `gap_ms`: its part that no packet covers."""

    audio: Audio
    packets: int
    channels: int
    span_ms: float
    gap_ms: float


@dataclass(frozen=True)
class _Packet:
    at_ms: float
    data: bytes
    samples: int


def read_webm(path: Path) -> WebmAudio:
    """Raises OSError, WebmError."""
    head, packets = _demuxed(path.read_bytes())
    if not packets:
        raise WebmError("holds no packet of sound")
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(_as_ogg(head, packets)), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise WebmError(f"its Opus cannot be decoded ({error.error_string})") from error
    if rate_hz != RATE_HZ:
        raise WebmError(f"decodes to {rate_hz} Hz, not {RATE_HZ}")
    span_ms = packets[-1].at_ms + packets[-1].samples * 1e3 / RATE_HZ - packets[0].at_ms
    covered_ms = sum(packet.samples for packet in packets) * 1e3 / RATE_HZ
    return WebmAudio(
        audio=Audio(np.ascontiguousarray(samples.mean(axis=1), np.float32), RATE_HZ),
        packets=len(packets),
        channels=samples.shape[1],
        span_ms=span_ms,
        gap_ms=max(0.0, span_ms - covered_ms),
    )


def _demuxed(data: bytes) -> tuple[bytes, list[_Packet]]:
    """(OpusHead, the packets in order)."""
    head, cluster_ms, packets = b"", 0, []
    if not data.startswith(EBML):
        raise WebmError("is no WebM" if data else "is empty (0 bytes)")
    for ident, body in _elements(data):
        if ident == CODEC_ID and body.rstrip(b"\0") != b"A_OPUS":
            raise WebmError(f"its codec is {body.decode('ascii', 'replace')}, not Opus")
        if ident == CODEC_PRIVATE:
            head = body
        elif ident == TIMESTAMP:
            cluster_ms = int.from_bytes(body, "big")
        elif ident in (SIMPLE_BLOCK, BLOCK) and len(body) > 5:
            if body[3] & 0x06:
                raise WebmError("its blocks are laced, which no MediaRecorder does")
            (offset_ms,) = struct.unpack_from("!h", body, 1)
            packets.append(_Packet(cluster_ms + offset_ms, body[4:], _samples_in(body[4:])))
    if not head.startswith(OPUS_HEAD):
        raise WebmError("tells no Opus track")
    return head, packets


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, content) of every whole element; master elements give the elements in them."""
    at = 0
    while at < len(data):
        ident, at = _vint(data, at, keep_marker=True)
        size, at = _vint(data, at, keep_marker=False)
        if ident is None or size is None:
            return
        if ident in MASTERS:  # its end need not be known: what follows is either in it or beside it
            continue
        if size < 0:
            raise WebmError(f"has an element {ident:#x} of unknown length")
        if at + size > len(data):
            return
        yield ident, data[at : at + size]
        at += size


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """A variable-length integer and where it ends; −1 for an unknown length, None where the data ends in it."""
    if at >= len(data) or data[at] == 0:
        return None, len(data)
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        return None, len(data)
    value = int.from_bytes(data[at : at + length], "big")
    if not keep_marker:
        value &= (1 << 7 * length) - 1
        value = -1 if value == (1 << 7 * length) - 1 else value
    return value, at + length


def _samples_in(packet: bytes) -> int:
    """The packet's duration, from its table of contents (RFC 6716, 3.1)."""
    code = packet[0] & 3
    frames = (1, 2, 2)[code] if code < 3 else (packet[1] & 0x3F if len(packet) > 1 else 0)
    return round(FRAMES_MS[packet[0] >> 3] * frames * RATE_HZ / 1_000)


def _as_ogg(head: bytes, packets: Sequence[_Packet]) -> bytes:
    """One packet a page; `granule`: samples up to its end."""
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    out, granule = io.BytesIO(), 0
    out.write(_page(head, 0, 0, 0x02))
    out.write(_page(tags, 1, 0, 0x00))
    for number, packet in enumerate(packets):
        granule += packet.samples
        out.write(_page(packet.data, number + 2, granule, 0x04 if number == len(packets) - 1 else 0x00))
    return out.getvalue()


def _page(packet: bytes, number: int, granule: int, kind: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    if len(lacing) > PAGE_SEGMENTS:
        raise WebmError(f"has a packet of {len(packet)} bytes, which no Opus is")
    header = struct.pack("<4sBBqIII", b"OggS", 0, kind, granule, SERIAL, number, 0) + bytes([len(lacing)]) + lacing
    crc = _crc(header + packet)
    return header[:22] + struct.pack("<I", crc) + header[26:] + packet


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


_TABLE = _crc_table()


def _crc(data: bytes) -> int:
    """Ogg's own: polynomial 0x04C11DB7, not reflected (RFC 3533, 6)."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _TABLE[(crc >> 24) ^ byte]
    return crc
