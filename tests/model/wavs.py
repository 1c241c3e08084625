"""WAVs byte by byte, as writers leave them: right, streamed, killed, put one after the other, with a byte forgotten.

Each of `READ` holds `SAID` (or `SAID` twice) and is read whole; of `REFUSED` nothing is read, for the reason beside it.
"""

from __future__ import annotations

import struct

import numpy as np

RATE_HZ = 48_000
SAMPLES = np.concatenate([np.zeros(4_800), 8_000 * np.sin(np.arange(24_000) * 0.05), np.zeros(4_800)]).astype("<i2")
SAID = SAMPLES.tobytes()
PCM_16 = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
EXTENSIBLE = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, 22, 16, 4) + bytes.fromhex(
    "0100000000001000800000aa00389b71"
)
INFO = b"INFOISFT" + struct.pack("<I", 14) + b"Lavf61.7.100\0\0"


def chunk(name: bytes, content: bytes, size: int | None = None, *, pad: bool = True) -> bytes:
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + bytes(len(content) % 2 if pad else 0)


def wav(
    data: bytes = SAID,
    size: int | None = None,
    *,
    riff: int | None = None,
    fmt: bytes = PCM_16,
    before: bytes = b"",
    after: bytes = b"",
    magic: bytes = b"RIFF",
) -> bytes:
    """`size`: what the data chunk claims; `riff`: what the file claims."""
    body = b"WAVE" + before + chunk(b"fmt ", fmt) + chunk(b"data", data, size) + after
    return magic + struct.pack("<I", len(body) if riff is None else riff) + body


def ds64(n_bytes: int) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", n_bytes + 72, n_bytes, n_bytes // 2, 0))


STREAMED = {
    "ffmpeg or OpenAI to a pipe": wav(size=0xFFFFFFFF, riff=0xFFFFFFFF, before=chunk(b"LIST", INFO)),
    "sox or espeak to a pipe": wav(size=0x7FFFF000, riff=0x7FFFF024),
    "arecord to a pipe": wav(size=0x80000000, riff=0x80000024),
    "the largest signed": wav(size=0x7FFFFFFF, riff=0x7FFFFFFF),
    "the largest signed less the header": wav(size=0x7FFFFFFF - 36, riff=0x7FFFFFFF),
    "two thousand million": wav(size=2_000_000_000, riff=2_000_000_036),
    "the largest less the header": wav(size=0xFFFFFFFF - 36, riff=0xFFFFFFFF),
    "zero": wav(size=0, riff=36),
    "zero in both": wav(size=0, riff=0),
    "RF64 without sizes": wav(size=0xFFFFFFFF, riff=0xFFFFFFFF, before=ds64(0), magic=b"RF64"),
    "RF64 with the largest sizes": wav(
        size=0xFFFFFFFF, riff=0xFFFFFFFF, magic=b"RF64", before=chunk(b"ds64", b"\xff" * 24 + bytes(4))
    ),
}
RIGHT = {
    "plain": wav(),
    "extensible": wav(fmt=EXTENSIBLE),
    "JUNK ahead": wav(before=chunk(b"JUNK", bytes(28))),
    "LIST ahead": wav(before=chunk(b"LIST", INFO)),
    "LIST behind": wav(after=chunk(b"LIST", INFO)),
    "odd LIST with its pad byte": wav(before=chunk(b"LIST", INFO + b"x")),
    "RIFF size 0": wav(riff=0),
    "RIFF size of a stream": wav(riff=0xFFFFFFFF),
    "RIFF size too small": wav(riff=36),
    "RF64": wav(size=0xFFFFFFFF, riff=0xFFFFFFFF, before=ds64(len(SAID)), magic=b"RF64"),
    "BW64": wav(size=0xFFFFFFFF, riff=0xFFFFFFFF, before=ds64(len(SAID)), magic=b"BW64"),
    "BW64 of RIFF sizes": wav(before=chunk(b"JUNK", bytes(28)), magic=b"BW64"),
}
UNPADDED = {
    "odd LIST ahead without its pad byte": wav(before=chunk(b"LIST", INFO + b"x", pad=False)),
    "odd unknown chunk without its pad byte": wav(before=chunk(b"xyz1", b"abc", pad=False)),
    "odd LIST behind without its pad byte": wav(after=chunk(b"LIST", INFO + b"x", pad=False) + chunk(b"id3 ", b"ab")),
}
TWICE = {
    "two whole": wav() + wav(),
    "two streamed": wav(size=0xFFFFFFFF, riff=0xFFFFFFFF) + wav(size=0xFFFFFFFF, riff=0xFFFFFFFF),
    "two of a killed recorder": wav(size=0, riff=0) + wav(size=0, riff=0),
    "a whole one and a streamed one": wav(after=chunk(b"LIST", INFO))
    + wav(size=0x7FFFF000, before=chunk(b"JUNK", b"ab")),
}
LEFT_OUT = {"bytes behind the sound": wav(after=b"\x01\x02\x03\x04" * 25)}
CUT = {
    "cut in half": wav()[: 44 + len(SAID) // 2],
    "cut in its second WAV": wav() + wav()[: 44 + len(SAID) // 2],
    "RF64 cut": wav(data=SAID[:1_000], size=0xFFFFFFFF, before=ds64(len(SAID)), magic=b"RF64"),
}
REFUSED = {
    "cut within its header": (wav()[:30], "it ends within its format"),
    "cut ahead of its sound": (wav()[:36], "it ends within its header, ahead of its sound"),
    "no header yet": (bytes(44) + SAID, "it begins with zeros where its header should be, as a recorder leaves it"),
    "sound without a format": (b"RIFF\0\0\0\0WAVE" + chunk(b"data", SAID), "it does not say the format of its sound"),
    "two formats": (
        wav() + wav(fmt=struct.pack("<HHIIHH", 1, 2, 16_000, 64_000, 4, 16)),
        "of different formats (48000 Hz, 1 channel, 16 bit; 16000 Hz, 2 channels, 16 bit); split it",
    ),
}
EMPTY = {
    "no sound": wav(data=b""),
    "no sound, and a LIST": wav(data=b"", after=chunk(b"LIST", INFO)),
}
