"""A call's times on the wall clock: samples of its recordings → the host's monotonic clock → ns since 1970.

The manifest has the call's start on both clocks (to 1 ms: `started_at` is written so). An older capture has it on the wall clock
alone; the first line of its host_load.jsonl came at most HEAD_START_MS later.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.listen.read.clocks import Clocks
from harness.listen.read.ear_clock import EarClock
from harness.model.capture import EAR_CLOCK, HOST_LOAD, Manifest

WRITTEN_TO_MS = 1.0
HEAD_START_MS = 600.0  # harness/live/host.py: a line every 0.5 s, and where its timer is late


@dataclass(frozen=True)
class CallClock:
    """`zero_unix_ns`: the wall clock at 0 of the monotonic one, None if it is not known; `error_ms` of it."""

    clocks: Clocks
    zero_unix_ns: int | None
    error_ms: float = WRITTEN_TO_MS

    def at(self, mono_ms: float | None) -> int | None:
        """ns since 1970."""
        if mono_ms is None or self.zero_unix_ns is None:
            return None
        return self.zero_unix_ns + round(mono_ms * 1e6)

    def of(self, recording: str, sample: float | None) -> int | None:
        """ns since 1970 of a sample of "ear", "mic", "post_rtc" or "post_user"."""
        return None if sample is None else self.at(self.clocks.mono_ms(recording, sample))


def started_unix_ns(manifest: Manifest) -> int:
    """Raises ValueError for a time that is none."""
    started = datetime.datetime.fromisoformat(manifest.started_at)
    return round(started.timestamp() * 1e3) * 1_000_000


def call_clock(folder: Path, manifest: Manifest) -> CallClock:
    """Of a capture's folder; what cannot be read there is left out. Raises ValueError as above."""
    started_ns, clocks = started_unix_ns(manifest), Clocks(manifest.timelines, _ear_clock(folder))
    mono_ms, error_ms = manifest.started_mono_ms, WRITTEN_TO_MS
    if mono_ms is None:
        first_ms = _first_load_ms(folder)
        mono_ms = None if first_ms is None else first_ms - HEAD_START_MS / 2
        error_ms = HEAD_START_MS / 2
    zero = None if mono_ms is None else started_ns - round(mono_ms * 1e6)
    return CallClock(clocks, zero, error_ms)


def _ear_clock(folder: Path) -> EarClock | None:
    try:
        pairs = np.load(folder / EAR_CLOCK, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = pairs.ndim == 2 and pairs.shape[1:] == (2,) and len(pairs) and np.issubdtype(pairs.dtype, np.number)
    return EarClock(np.asarray(pairs, np.float64)) if whole and np.isfinite(pairs).all() else None


def _first_load_ms(folder: Path) -> float | None:
    try:
        with (folder / HOST_LOAD).open(encoding="utf-8") as lines:
            told = json.loads(next(lines, ""))
    except (OSError, ValueError):
        return None
    found = told.get("t_mono_ms") if isinstance(told, dict) else None
    return float(found) if isinstance(found, int | float) else None
