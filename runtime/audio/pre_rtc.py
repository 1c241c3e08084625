"""The pre-RTC tap: what the agent handed to WebRTC, 48 kHz mono int16, on disk while the call goes on.

The tap streams to a `.part` file, so a long call costs no memory and a killed agent leaves no half WAV; it holds the newest
second back, so that flushed samples can still be taken off.
"""

from __future__ import annotations

import contextlib
import wave
from pathlib import Path
from typing import BinaryIO

import numpy as np

from runtime.engines.protocols import Int16Array

RATE_HZ = 48_000
KEPT_BACK_SAMPLES = RATE_HZ


class PreRtcTap:
    """Off until `open`. Positions count samples since `open`."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: wave.Wave_write | None = None
        self._raw: BinaryIO | None = None
        self._recent = np.empty(0, np.int16)
        self._written = 0
        self.start_sample: int | None = None
        self.end_sample: int | None = None

    @property
    def position(self) -> int:
        return self._written + len(self._recent)

    def open(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._raw = path.with_name(path.name + ".part").open("wb")
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115 - both are closed in `close`
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(RATE_HZ)

    def add(self, frame: Int16Array) -> None:
        if self._file is None:
            return
        self._recent = np.concatenate([self._recent, frame])
        excess = len(self._recent) - 2 * KEPT_BACK_SAMPLES
        if excess > 0:
            self._write(len(self._recent) - KEPT_BACK_SAMPLES)

    def forget(self, n_samples: int, *, ends_reply: bool = True) -> None:
        """Take off the last `n_samples`, which were flushed before sending."""
        if n_samples > 0 and self._file is not None:
            self._recent = self._recent[: max(0, len(self._recent) - n_samples)]
            if ends_reply and self.start_sample is not None and self.end_sample is None:
                self.end_sample = self.position

    def mark_start(self) -> None:
        self.start_sample, self.end_sample = self.position, None

    def mark_end(self) -> None:
        self.end_sample = self.position

    def _write(self, count: int) -> None:
        assert self._file is not None
        self._file.writeframes(self._recent[:count].astype("<i2").tobytes())
        self._written += count
        self._recent = self._recent[count:]

    def close(self) -> Path | None:
        """The finished WAV, or None if the tap was never open. Raises OSError (disk full), leaving no half WAV."""
        if self._file is None or self._path is None:
            return None
        part = self._path.with_name(self._path.name + ".part")
        assert self._raw is not None
        try:
            self._write(len(self._recent))
            self._file.close()
            self._raw.close()
            part.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        finally:
            self._file = None
            with contextlib.suppress(OSError):
                self._raw.close()
        return self._path
