"""What the user hears while the call runs: when the agent starts, whether it is quiet. For triggers only, no metric.

It takes blocks of the agent's audio on the user's sample clock (48 kHz, float32 or int16, gaps allowed). Level is RMS
over 10 ms; sound is 30 ms above the threshold, and a new onset needs 300 ms of quiet before it. `follow_floor`: for an
agent with music or noise behind its voice, the threshold lies above the constant background (minimum statistics, Martin
2001, in their simplest form: a low percentile of the last seconds).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.live.ringing import Ringing

HOP_SAMPLES = 480
RATE_HZ = 48_000
THRESHOLD_DBFS = -50.0
ONSET_HOPS = 3
QUIET_BEFORE_ONSET_MS = 300.0
FLOOR_HOPS = 400  # 4 s: longer than a voice goes on without a pause
FLOOR_WARM_HOPS = 100  # before that a floor is no more than a guess
FLOOR_PERCENTILE = 15.0
ABOVE_FLOOR_DB = 12.0
HIGHEST_FLOOR_DBFS = -35.0  # a constant level above this is no background
DIGITAL_SILENCE = 1e-10


@dataclass
class Hearing:
    """Streaming detector; `wait_for` wakes at every block, so waiting is on audio, not on the wall clock."""

    onsets: list[int] = field(default_factory=list)  # sample at which sound began
    ends: list[int] = field(default_factory=list)  # of each sound but the last: one past its last loud hop
    last_sound: int | None = None  # one past the last loud hop
    last_power: float = 0.0  # of the last hop with any sound: a floor that has risen in a long reply hides its fading
    now: int = 0  # one past the last sample heard
    follow_floor: bool = False
    nobody_spoke: bool = True  # the user has said nothing yet
    ringing: Ringing = field(default_factory=Ringing)  # up to then
    _levels: deque[float] = field(
        default_factory=lambda: deque(maxlen=FLOOR_HOPS)
    )  # power of the last hops, from the first sound on
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
        known = len(self._levels)
        power = np.mean(x[: hops * HOP_SAMPLES].reshape(hops, HOP_SAMPLES) ** 2, axis=1)
        threshold = self._threshold(power)
        if self.nobody_spoke and known < FLOOR_WARM_HOPS <= len(self._levels):
            self._forget_a_bed(threshold)
        if self.nobody_spoke:
            self.ringing.feed(power.tolist())
        for k in range(hops):
            self._hop(self._rest_at + k * HOP_SAMPLES, bool(power[k] > threshold))
            if power[k] > 10 ** (THRESHOLD_DBFS / 10):
                self.last_power = float(power[k])
        self._rest = x[hops * HOP_SAMPLES :].astype(np.float32)
        self._rest_at += hops * HOP_SAMPLES
        self.now = at_sample + len(samples)
        self.notify()

    def _threshold(self, power: npt.NDArray[np.float32]) -> float:
        """Power above which a hop is loud."""
        fixed: float = 10 ** (THRESHOLD_DBFS / 10)
        if not self.follow_floor:
            return fixed
        for level in power.tolist():
            if self._levels or level > DIGITAL_SILENCE:  # silence before the agent's track is no floor
                self._levels.append(level)
        if len(self._levels) < FLOOR_WARM_HOPS:
            return fixed
        floor = min(float(np.percentile(self._levels, FLOOR_PERCENTILE)), 10 ** (HIGHEST_FLOOR_DBFS / 10))
        return max(fixed, floor * 10 ** (ABOVE_FLOOR_DB / 10))

    def _forget_a_bed(self, threshold: float) -> None:
        """As long as no floor is known music sounds like a voice; if nothing stands out of it, it was no sound."""
        loud = np.asarray(self._levels) > threshold
        if not np.any(np.convolve(loud, np.ones(ONSET_HOPS), "valid") >= ONSET_HOPS):
            self.onsets.clear()
            self.ends.clear()
            self.last_sound, self._loud_hops = None, 0

    def _hop(self, start: int, loud: bool) -> None:
        if not loud:
            self._loud_hops = 0
            return
        self._loud_hops += 1
        if self._loud_hops < ONSET_HOPS:
            return
        begin = start - (self._loud_hops - 1) * HOP_SAMPLES
        if self.last_sound is None or begin - self.last_sound >= QUIET_BEFORE_ONSET_MS * RATE_HZ / 1e3:
            if self.last_sound is not None:
                self.ends.append(self.last_sound)
            self.onsets.append(begin)
        self.last_sound = start + HOP_SAMPLES

    def quiet_ms(self) -> float:
        """How long it has been quiet; since the beginning if nothing was heard."""
        return (self.now - (self.last_sound or 0)) * 1e3 / RATE_HZ

    def silence_before(self, onset: int) -> int:
        """The end of the sound before `onset`; `onset` itself if it was the first."""
        at = self.onsets.index(onset)
        return self.ends[at - 1] if at > 0 else onset

    def runs(self, pause_ms: float) -> list[tuple[int, int]]:
        """[start, end) of each stretch of sound, pauses below `pause_ms` included; the last one may still go on."""
        found: list[tuple[int, int]] = []
        ends = [*self.ends, self.last_sound] if self.last_sound is not None else []
        for start, end in zip(self.onsets, ends, strict=True):
            if found and start - found[-1][1] < pause_ms * RATE_HZ / 1e3:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found

    def first_onset_after(self, sample: int) -> int | None:
        return next((onset for onset in self.onsets if onset >= sample), None)

    def notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, checked after every block and every `notify`."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
