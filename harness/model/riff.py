"""Where the sound lies in a WAV, whatever its header claims: RIFF, RIFX (big-endian), RF64 and BW64 (64 bit sizes).

Writers that cannot seek back leave placeholder sizes: 0xFFFFFFFF (ffmpeg, OpenAI), 0x7FFFF000 (sox, espeak), 0x80000000
(arecord), 2,000,000,000, 0 (a recorder that was killed). Such a file is read to its end, with a note; one that is shorter
than a size that can be true is cut. The RIFF size is ignored. Positions are in bytes. Other file types are not judged.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64")
KNOWN = frozenset({
    b"fmt ", b"data", b"LIST", b"INFO", b"fact", b"JUNK", b"junk", b"PAD ", b"FLLR", b"ds64", b"bext", b"iXML", b"cart",
    b"cue ", b"smpl", b"inst", b"plst", b"note", b"labl", b"id3 ", b"ID3 ", b"PEAK", b"chna", b"axml", b"levl", b"acid",
    b"afsp", b"_PMX", b"LGWV", b"DISP", b"MARK", *MAGIC,
})  # fmt: skip
#: Chunks ahead of the sound that libsndfile reads past, whatever is in them.
HARMLESS = frozenset({b"fmt ", b"fact", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"ds64"})
#: Placeholder sizes, and how far from them: "the largest there is" less this or that header.
PLACEHOLDERS = ((2**31, 65_536), (2**32, 65_536), (2_000_000_000, 64))
ANOTHER_WAV = re.compile(rb"(?:RIFF|RIFX|RF64|BW64)....WAVE(?:fmt |JUNK|junk|ds64|bext|LIST|fact)", re.DOTALL)
LEAST_LEFT_OUT = 8  # bytes behind the sound that are worth a note
SEARCHED = 1 << 20


class RiffError(ValueError):
    """A WAV of which nothing can be read; the text says why, as the end of a sentence."""


class CutError(RiffError):
    """The file ends before its sound does."""


@dataclass(frozen=True)
class Piece:
    """One WAV's sound. `fmt` is the content of its format chunk."""

    magic: bytes
    fmt: bytes
    start: int
    end: int

    @property
    def order(self) -> str:
        return ">" if self.magic == b"RIFX" else "<"

    @property
    def bytes_per_s(self) -> int:
        return int(struct.unpack_from(f"{self.order}I", self.fmt, 8)[0])

    @property
    def frame_bytes(self) -> int:
        return max(1, int(struct.unpack_from(f"{self.order}H", self.fmt, 12)[0]))

    def in_words(self) -> str:
        _, channels, rate_hz, _, _, bits = struct.unpack_from(f"{self.order}HHIIHH", self.fmt)
        return f"{rate_hz} Hz, {channels} channel{'s' if channels != 1 else ''}, {bits} bit"


@dataclass(frozen=True)
class Riff:
    """`plain`: a reader that believes the header reads it right. `notes`: assumptions, for the user."""

    pieces: tuple[Piece, ...]
    notes: tuple[str, ...]
    plain: bool


def parse_riff(file: BinaryIO, size: int) -> Riff | None:
    """None for a file of another kind. Raises RiffError, CutError, OSError. `size`: of the file."""
    file.seek(0)
    head = file.read(12)
    if len(head) == 12 and head == bytes(12):
        raise RiffError("it begins with zeros where its header should be, as a recorder leaves it that was killed")
    if head[:4] not in MAGIC or (len(head) == 12 and head[8:] != b"WAVE"):
        return None
    parser = _Parser(file, size)
    at: int | None = 0
    while at is not None:
        at = parser.one_wav(at)
    pieces = parser.pieces
    if any(piece.fmt[:16] != pieces[0].fmt[:16] or piece.order != pieces[0].order for piece in pieces):
        formats = "; ".join(dict.fromkeys(piece.in_words() for piece in pieces))
        raise RiffError(f"it holds {len(pieces)} WAVs one after the other, of different formats ({formats}); split it")
    notes = list(dict.fromkeys(parser.notes))
    if len(pieces) > 1:
        notes.append(f"{len(pieces)} WAVs one after the other, read as one")
    plain = parser.plain and len(pieces) == 1 and pieces[0].magic != b"BW64"
    return Riff(tuple(pieces), tuple(notes), plain)


@dataclass
class _Parser:
    file: BinaryIO
    size: int
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plain: bool = True

    def one_wav(self, at: int) -> int | None:
        """Read the WAV at `at`; return where the next one begins."""
        magic = self._read(at, 4)
        order = ">" if magic == b"RIFX" else "<"
        at += 12
        fmt: bytes | None = None
        sound_64: int | None = None
        while True:
            header = self._read(at, 8)
            if len(header) < 8:
                raise RiffError("it ends within its header, ahead of its sound")
            name, length = header[:4], struct.unpack(f"{order}I", header[4:])[0]
            body = at + 8
            if name == b"data":
                if fmt is None:
                    raise RiffError("it does not say the format of its sound")
                claimed = sound_64 if sound_64 is not None and length == 0xFFFFFFFF else length
                return self._sound(Piece(magic, fmt, body, body), claimed)
            self.plain = self.plain and name in HARMLESS
            content = self._read(body, min(length, 64))
            if name == b"fmt ":
                if length < 16 or len(content) < 16:
                    raise RiffError("it ends within its format" if length >= 16 else "its format cannot be read")
                fmt = content
            elif name == b"ds64" and len(content) >= 16:
                sound_64 = struct.unpack_from("<Q", content, 8)[0]
            at = self._behind(body, length, name)

    def _sound(self, piece: Piece, claimed: int) -> int | None:
        present = self.size - piece.start
        another: int | None = None
        if 0 < claimed <= present and not self._goes_on(piece.start, claimed):
            end = piece.start + claimed
            behind = self._behind(piece.start, claimed, b"data")
        elif claimed == 0 and (present < piece.frame_bytes or self._read(piece.start, 4) in KNOWN):
            end, behind = piece.start, piece.start
        elif claimed == 0 or is_placeholder(claimed):
            another = self._another(piece.start)
            end = behind = another if another is not None else self.size
            whole_s = (end - piece.start) / piece.bytes_per_s if piece.bytes_per_s else 0.0
            who = "that was killed" if claimed == 0 else "that cannot know it"
            said = f"its header says {claimed} bytes of sound, as a writer leaves it {who}"
            self.notes.append(f"{said}: read to the end ({whole_s:.1f} s)")
            self.plain = False
        else:
            raise CutError(f"{claimed - present} bytes of its samples are missing")
        end -= (end - piece.start) % piece.frame_bytes
        self.pieces.append(Piece(piece.magic, piece.fmt, piece.start, end))
        return another if another is not None else self._next_wav(behind)

    def _goes_on(self, start: int, claimed: int) -> bool:
        """Whether more sound than 32 bits can count follows a placeholder size."""
        behind = start + claimed
        return is_placeholder(claimed) and self.size - behind > LEAST_LEFT_OUT and self._read(behind, 4) not in KNOWN

    def _next_wav(self, at: int) -> int | None:
        """Skip the chunks behind the sound; return where another WAV begins."""
        while at + 8 <= self.size:
            head = self._read(at, 12)
            if head[:4] in MAGIC and head[8:] == b"WAVE":
                return at
            length = struct.unpack("<I", head[4:8])[0]
            if not self._plausible(at) or at + 8 + length > self.size:
                break
            at = self._behind(at + 8, length, head[:4])
        if self.size - at > LEAST_LEFT_OUT and self._read(at, 4) not in KNOWN:
            self.notes.append(f"{self.size - at} bytes follow its sound that its header does not announce: left out")
        return None

    def _behind(self, body: int, length: int, name: bytes) -> int:
        """Where the next chunk begins: at an even place, unless the writer forgot the byte that makes it one."""
        end = body + length
        if length % 2 == 0:
            return end
        padded, bare = self._read(end + 1, 4), self._read(end, 4)
        if padded in KNOWN or end >= self.size:
            return end + 1
        if bare in KNOWN or (not self._plausible(end + 1) and self._plausible(end)):
            self.notes.append(f"the pad byte after its chunk {name.decode('ascii', 'replace').strip()!r} is missing")
            self.plain = self.plain and name == b"data"
            return end
        return end + 1

    def _plausible(self, at: int) -> bool:
        header = self._read(at, 8)
        return len(header) == 8 and all(0x20 <= byte < 0x7F for byte in header[:4])

    def _another(self, at: int) -> int | None:
        """Where the next WAV begins in a sound whose length is not known."""
        for start, block in self._blocks(at):
            found = block.find(b"WAVE", 8)
            while found >= 0:
                if ANOTHER_WAV.match(block, found - 8):
                    return start + found - 8
                found = block.find(b"WAVE", found + 1)
        return None

    def _blocks(self, at: int) -> Iterator[tuple[int, bytes]]:
        while at < self.size:
            yield at, self._read(at, SEARCHED + 16)
            at += SEARCHED

    def _read(self, at: int, n_bytes: int) -> bytes:
        self.file.seek(at)
        return self.file.read(n_bytes)


def is_placeholder(claimed: int) -> bool:
    """Whether `claimed` is the size of a writer that cannot seek."""
    return claimed >= 2**62 or any(abs(claimed - size) <= about for size, about in PLACEHOLDERS)
