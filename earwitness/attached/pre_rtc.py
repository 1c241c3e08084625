"""pre_rtc.wav of an agent: every frame in the place where WebRTC sends it, with the silence between.

Frames come faster than they are played, so the place of one is the end of the queue (`horizon`), or now where the queue has
run dry. Until `open` the newest minute is held in memory, since an agent may speak ahead of the trace. The file's header is
true after every write, so a killed agent leaves a recording that can be read. int16, interleaved, at the source's rate.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

POSITIONS_HZ = 48_000  # the trace's positions, whatever the file's rate is
HELD_S = 60.0
KEPT_BACK_S = 1.0  # beyond the queue, which a flush takes back
WRITE_EVERY_S = 1.0
TICK_S = 0.01  # WebRTC takes 10 ms at a time
SAMPLE_BYTES = 2
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class GrowingWav:
    """A WAV whose header is true after each `write`. Raises OSError."""

    def __init__(self, path: Path, rate_hz: int, channels: int) -> None:
        self._file: BinaryIO = path.open("wb")
        self._rate_hz, self._channels, self._n_bytes = rate_hz, channels, 0
        try:
            self._head()
        except OSError:
            self.give_up()
            raise

    def _head(self) -> None:
        block, rate, n_bytes = SAMPLE_BYTES * self._channels, self._rate_hz, self._n_bytes
        sizes = (16, 1, self._channels, rate, rate * block, block, 8 * SAMPLE_BYTES)
        self._file.seek(0)
        self._file.write(HEADER.pack(b"RIFF", 36 + n_bytes, b"WAVE", b"fmt ", *sizes, b"data", n_bytes))
        self._file.flush()

    def write(self, sound: bytes | bytearray) -> None:
        self._file.seek(HEADER.size + self._n_bytes)
        self._file.write(sound)
        self._file.flush()  # the sound stands before the header says so
        self._n_bytes += len(sound)
        self._head()

    def close(self) -> None:
        self._file.close()

    def give_up(self) -> None:
        """Close it after a write has failed: what stands in it stands."""
        with contextlib.suppress(OSError):
            self._file.close()


@dataclass
class PreRtc:
    """Positions count samples at 48 kHz since the first thing that is held or written."""

    rate_hz: int
    channels: int
    started_s: float  # silence stands from here to the first frame
    queue_s: float = 0.2  # what may be queued and taken back; LiveKit Agents' is 200 ms
    _recent: bytearray = field(default_factory=bytearray)
    _written: int = 0  # bytes that left `_recent`
    _forgotten: int = 0  # of these, how many no file has
    _file: GrowingWav | None = None

    def __post_init__(self) -> None:
        self._horizon_s = self.started_s
        self._block = SAMPLE_BYTES * self.channels

    @property
    def position(self) -> int:
        """Since `started_s`; `in_file` says where that is in the file."""
        samples = (self._written + len(self._recent)) // self._block
        return samples * POSITIONS_HZ // self.rate_hz

    def in_file(self, position: int) -> int | None:
        """None for a position of which no file has the sound."""
        at = position - self._forgotten // self._block * POSITIONS_HZ // self.rate_hz
        return at if at >= 0 else None

    def add(self, sound: bytes, now_s: float, *, goes_on: bool = False) -> float:
        """A frame is handed over. Returns for how long (s) WebRTC had nothing to send. `goes_on`: amid a reply."""
        dry_s = self.let_pass(now_s, whole_ticks=goes_on)
        self._append(sound)
        self._horizon_s += len(sound) / self._block / self.rate_hz
        return dry_s

    def let_pass(self, now_s: float, *, whole_ticks: bool = False) -> float:
        """Silence up to now, if nothing is queued."""
        dry_s = now_s - self._horizon_s
        if dry_s <= 0:
            return 0.0
        if whole_ticks:
            dry_s = round(dry_s / TICK_S) * TICK_S
        left, held = (round(s * self.rate_hz) * self._block for s in (dry_s, HELD_S))
        if self._file is None and left > held:  # an hour of it costs the agent no more than a minute
            self._forget(len(self._recent) + left - held)
            self._recent.clear()
            left = held
        while left > 0:
            part = min(left, self.rate_hz * self._block)
            self._append(bytes(part))
            left -= part
        self._horizon_s = now_s
        return dry_s

    def take_back(self, queued_s: float, now_s: float) -> None:
        """What is queued is dropped, in whole ticks: it was never sent."""
        self.let_pass(now_s)
        n_bytes = int(queued_s / TICK_S) * round(TICK_S * self.rate_hz) * self._block
        if n_bytes > 0:
            del self._recent[max(0, len(self._recent) - n_bytes) :]
        self._horizon_s = now_s

    def open(self, path: Path) -> None:
        """From now on it is written, beginning with what is held. Raises OSError."""
        self._file = GrowingWav(path, self.rate_hz, self.channels)
        self._keep()

    def give_up(self) -> None:
        if self._file is not None:
            self._file.give_up()

    def close(self, now_s: float) -> bool:
        """Whether there is a file, now complete. Raises OSError."""
        if self._file is None:
            return False
        self.let_pass(now_s)
        file, self._file = self._file, None
        try:
            file.write(self._recent)
            file.close()
        finally:
            file.give_up()
        self._written, self._recent = self._written + len(self._recent), bytearray()
        return True

    def _append(self, sound: bytes) -> None:
        self._recent += sound
        self._keep()

    def _keep(self) -> None:
        """Write, or without a file forget, all but the newest."""
        kept_s = KEPT_BACK_S + self.queue_s if self._file is not None else HELD_S
        if len(self._recent) <= round((kept_s + WRITE_EVERY_S) * self.rate_hz) * self._block:
            return
        count = len(self._recent) - round(kept_s * self.rate_hz) * self._block
        if self._file is not None:
            self._file.write(self._recent[:count])
            self._written += count
        else:
            self._forget(count)
        del self._recent[:count]

    def _forget(self, n_bytes: int) -> None:
        self._written, self._forgotten = self._written + n_bytes, self._forgotten + n_bytes
