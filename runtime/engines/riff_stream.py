"""The sound inside a WAV that comes in pieces: its format, then its bytes, whatever sizes its header claims.

Streaming writers leave placeholder sizes (0, about 2^31, about 2^32, 2,000,000,000): the sound then goes on to the end of the
stream. Chunks behind the sound are not played; another WAV behind the first (a server that sends one a sentence) continues
it. This reader shares no code with the harness's: the measured and the measuring side share no code for sound.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from runtime.engines.protocols import EngineError

LONGEST_HEADER_BYTES = 4_096
PLACEHOLDERS = ((2**31, 65_536), (2**32, 65_536), (2_000_000_000, 64))  # size, how far about it
MAGIC = (b"RIFF", b"RF64", b"BW64")
ANOTHER = re.compile(rb"(?:RIFF|RF64|BW64)....WAVE", re.DOTALL)
ANOTHER_BYTES = 12
BEHIND = frozenset({
    b"LIST", b"fact", b"JUNK", b"junk", b"PAD ", b"bext", b"iXML", b"cue ", b"smpl", b"inst", b"id3 ", b"ID3 ", b"PEAK", b"_PMX",
    *MAGIC,
})  # fmt: skip


@dataclass
class RiffStream:
    """`push` bytes as they come; it returns sound in the format `fmt`. `finish` at the end of the stream."""

    fmt: bytes | None = None  # the content of the format chunk, once it has come
    _held: bytes = b""
    _left: int | None = 0  # bytes left of the current sound; None: to the end of the stream
    _where: str = "header"  # header, sound, behind

    def push(self, data: bytes) -> bytes:
        """Raises EngineError."""
        self._held += data
        sound = b""
        while True:
            before = (self._where, len(self._held))
            if self._where == "header":
                self._header()
            elif self._where == "sound":
                sound += self._sound()
            else:
                self._behind()
            if (self._where, len(self._held)) == before:
                return sound

    def finish(self) -> bytes:
        """The sound held back until now. Raises EngineError if the stream ended too early."""
        if self._where == "header":
            raise EngineError("the WAV ended before its sound began")
        if self._where == "behind":
            return b""
        if self._left:
            raise EngineError(f"the WAV ended {self._left} bytes before its header says: it was cut")
        rest, self._held = self._held, b""
        return rest

    def _header(self) -> None:
        data = self._held
        if len(data) >= ANOTHER_BYTES and not ANOTHER.match(data):
            raise EngineError(f"expected a WAV, got {data[:12]!r}")
        at, fmt, sound_64 = ANOTHER_BYTES, None, None
        while at + 8 <= len(data):
            name, size = struct.unpack_from("<4sI", data, at)
            if name == b"data":
                self._begin(fmt, sound_64 if size == 0xFFFFFFFF and sound_64 is not None else size)
                self._held = data[at + 8 :]
                return
            end = at + 8 + size
            if end + 5 > len(data):  # the bytes that show a forgotten pad byte must have come
                break
            if name == b"fmt ":
                fmt = data[at + 8 : end]
            elif name == b"ds64" and size >= 16:
                sound_64 = struct.unpack_from("<Q", data, at + 16)[0]
            at = end + (size % 2 and data[end : end + 4] not in (b"data", b"fmt ", b"fact", b"LIST"))
        if len(data) > LONGEST_HEADER_BYTES:
            raise EngineError("the WAV has no data chunk where one is expected")

    def _begin(self, fmt: bytes | None, size: int) -> None:
        if fmt is None or len(fmt) < 16:
            raise EngineError("the WAV's format cannot be read")
        if self.fmt is not None and fmt[:16] != self.fmt[:16]:
            raise EngineError("a second WAV in the stream has another format than the first")
        open_end = size == 0 or size >= 2**62 or any(abs(size - known) <= about for known, about in PLACEHOLDERS)
        self.fmt, self._left, self._where = fmt, None if open_end else size, "sound"

    def _sound(self) -> bytes:
        if self._left is not None:
            sound, self._held = self._held[: self._left], self._held[self._left :]
            self._left -= len(sound)
            if self._left == 0:
                self._where = "behind"
            return sound
        found = ANOTHER.search(self._held)
        if found is not None:
            sound, self._held = self._held[: found.start()], self._held[found.start() :]
            self._where = "header"
            return sound
        kept = _begins_at(self._held)
        sound, self._held = self._held[:kept], self._held[kept:]
        return sound

    def _behind(self) -> None:
        """Skip chunks that hold no sound; other bytes are more sound, which the header's size left out."""
        data = self._held
        if len(data) < ANOTHER_BYTES + 1:
            return
        pad = 0 if data[:4] in BEHIND else 1 if data[1:5] in BEHIND else None
        if pad is None:
            self._left, self._where = None, "sound"
            return
        data = data[pad:]
        if data[:4] in MAGIC:
            self._held, self._where = data, "header"
            return
        size = struct.unpack_from("<I", data, 4)[0]
        if len(data) >= 8 + size:
            self._held = data[8 + size :]


def _begins_at(data: bytes) -> int:
    """Where in the last bytes another, still incomplete WAV may begin; the length if nowhere."""
    for at in range(max(0, len(data) - ANOTHER_BYTES + 1), len(data)):
        if any(magic.startswith(data[at : at + 4]) for magic in MAGIC):
            return at
    return len(data)
