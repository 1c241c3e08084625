"""What the user hears while the call runs: when the agent starts, whether it is quiet. For triggers only, never a
metric.

Fed with blocks of the agent's audio on the user's sample clock (48 kHz, float32 or int16, gaps allowed). Level is RMS
over 10 ms; sound is 30 ms above the threshold, and a new onset needs 300 ms of quiet before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

HOP_SAMPLES = 480
RATE_HZ = 48_000
THRESHOLD_DBFS = -50.0
ONSET_HOPS = 3
QUIET_BEFORE_ONSET_MS = 300.0


@dataclass
class Hearing:
    """Streaming detector; `wait_for` wakes at every block, so waiting is on audio, not on the wall clock."""

    onsets: list[int] = field(default_factory=list)  # sample at which sound began
    last_sound: int | None = None  # one past the last loud hop
    now: int = 0  # one past the last sample heard
    _loud_hops: int = 0
    _rest: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    _rest_at: int = 0
    _waiters: set[asyncio.Future[None]] = field(default_factory=set)

    def feed(self, at_sample: int, samples: npt.NDArray[np.float32] | npt.NDArray[np.int16]) -> None:
        x = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
        if self._rest_at + len(self._rest) != at_sample:
            self._rest, self._rest_at = np.empty(0, np.float32), at_sample
        x = np.concatenate([self._rest, x])
        hops = len(x) // HOP_SAMPLES
        power = np.mean(x[: hops * HOP_SAMPLES].reshape(hops, HOP_SAMPLES) ** 2, axis=1)
        for k in range(hops):
            self._hop(self._rest_at + k * HOP_SAMPLES, bool(power[k] > 10 ** (THRESHOLD_DBFS / 10)))
        self._rest = x[hops * HOP_SAMPLES :].astype(np.float32)
        self._rest_at += hops * HOP_SAMPLES
        self.now = at_sample + len(samples)
        self.notify()

    def _hop(self, start: int, loud: bool) -> None:
        if not loud:
            self._loud_hops = 0
            return
        self._loud_hops += 1
        if self._loud_hops < ONSET_HOPS:
            return
        begin = start - (self._loud_hops - 1) * HOP_SAMPLES
        if self.last_sound is None or begin - self.last_sound >= QUIET_BEFORE_ONSET_MS * RATE_HZ / 1e3:
            self.onsets.append(begin)
        self.last_sound = start + HOP_SAMPLES

    def quiet_ms(self) -> float:
        """How long it has been quiet; since the beginning if nothing was heard."""
        return (self.now - (self.last_sound or 0)) * 1e3 / RATE_HZ

    def first_onset_after(self, sample: int) -> int | None:
        return next((onset for onset in self.onsets if onset >= sample), None)

    def notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; it is looked at after every block and every `notify`."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
