"""A WAV for a reader that believes headers (libsndfile): the file itself, or its sound under a true header.

Other sound files (FLAC, Ogg, AIFF) pass through unexamined.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.model.riff import Piece, Riff, RiffError, parse_riff

LONGEST_S = 864_000.0  # ten days; the header of a stream says the largest number there is
MOST_MISSING_S = 0.1  # of what a header announces: a frame or two of a lossy codec
NO_LENGTH = "its header does not say how long it is, as of a stream; convert it to a WAV"


@dataclass(frozen=True)
class WavFile:
    """`riff` is None for a file of another kind."""

    path: Path
    riff: Riff | None

    @property
    def notes(self) -> tuple[str, ...]:
        return self.riff.notes if self.riff is not None else ()

    @property
    def sound_offset(self) -> int | None:
        """Where the samples begin in the file; None if they are not little-endian, or not in one piece."""
        if self.riff is None or len(self.riff.pieces) > 1 or self.riff.pieces[0].order == ">":
            return None
        return self.riff.pieces[0].start

    @contextmanager
    def source(self) -> Iterator[Path | TrueWav]:
        """For `soundfile`, to be read from the beginning. Raises OSError."""
        if self.riff is None or self.riff.plain:
            yield self.path
            return
        with TrueWav(self.path, self.riff.pieces) as sound:
            yield sound


def check_whole(announced: int, found: int, rate_hz: int) -> None:
    """A decoder that meets damage leaves it out and goes on: all after it would stand too early. Raises RiffError."""
    missing_s = (announced - found) / rate_hz
    if missing_s > MOST_MISSING_S:
        raise RiffError(f"{missing_s:.1f} s of its sound are missing or damaged")


def open_wav(path: Path) -> WavFile:
    """Raises RiffError, CutError, OSError."""
    with path.open("rb") as file:
        return WavFile(path, parse_riff(file, path.stat().st_size))


class TrueWav(io.RawIOBase):
    """The sound of all pieces, one after the other, under one header with their true sizes."""

    def __init__(self, path: Path, pieces: Sequence[Piece]) -> None:
        n_bytes = sum(piece.end - piece.start for piece in pieces)
        self._file = path.open("rb")
        self._header = _header(pieces[0], n_bytes)
        self._pieces = tuple(pieces)
        self._length = len(self._header) + n_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = memoryview(buffer).cast("B")
        done = 0
        while done < len(wanted):
            part = self._part(len(wanted) - done)
            if not part:
                break
            wanted[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done

    def _part(self, n_bytes: int) -> bytes:
        """Some of what comes next, at least a byte; nothing at the end."""
        if self._at < len(self._header):
            return self._header[self._at : self._at + n_bytes]
        place = self._at - len(self._header)
        for piece in self._pieces:
            length = piece.end - piece.start
            if place < length:
                self._file.seek(piece.start + place)
                return self._file.read(min(n_bytes, length - place))
            place -= length
        return b""

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _header(piece: Piece, n_bytes: int) -> bytes:
    fmt = piece.fmt + bytes(len(piece.fmt) % 2)
    order = piece.order
    body = b"WAVEfmt " + struct.pack(f"{order}I", len(piece.fmt)) + fmt
    if n_bytes + len(body) + 64 < 2**32:
        magic = b"RIFX" if order == ">" else b"RIFF"
        whole = len(body) + 8 + n_bytes
        return magic + struct.pack(f"{order}I", whole) + body + b"data" + struct.pack(f"{order}I", n_bytes)
    sizes = struct.pack("<IQQQI", 28, len(body) + 44 + n_bytes, n_bytes, n_bytes // piece.frame_bytes, 0)
    return b"RF64\xff\xff\xff\xffWAVEds64" + sizes + body[4:] + b"data\xff\xff\xff\xff"
