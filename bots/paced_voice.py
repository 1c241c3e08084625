"""A continuous 48 kHz stream to publish, in which sounds stand at exact samples of a known clock.

Sample n is taken by WebRTC at `t0_mono_ms` + n / 48 ms (and up to one native tick of 10 ms, the same for all): 20 ms
frames, paced by absolute deadlines, a constant LEAD_MS ahead in LiveKit's native queue. A frame that is pushed later
than that lead has shifted everything behind it; each push's lateness is kept, so that a user of the clock can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from livekit import rtc

from bots.probe_bot import mono_ms
from bots.timeline import FRAME_SAMPLES, RATE_HZ, Int16Array

LEAD_MS = 120.0  # long enough for a busy machine, short enough to decide on an answer that is due in 400 ms
QUEUE_MS = 400
SAMPLES_PER_MS = RATE_HZ / 1e3


@dataclass
class PacedVoice:
    """`place` sounds, `run` until cancelled. `on_frame(first sample)` is called after each frame is handed over."""

    on_frame: Callable[[int], None] | None = None
    t0_mono_ms: float | None = None
    sent_samples: int = 0
    lateness_ms: list[float] = field(default_factory=list)  # of each frame's push
    frames: list[Int16Array] = field(default_factory=list)  # all that was published
    _placed: list[tuple[int, Int16Array]] = field(default_factory=list)

    def sample_at(self, t_mono_ms: float) -> int:
        """The sample that WebRTC takes at that time. Only after `run` has begun."""
        assert self.t0_mono_ms is not None
        return round((t_mono_ms - self.t0_mono_ms) * SAMPLES_PER_MS)

    def mono_ms_at(self, sample: int) -> float:
        assert self.t0_mono_ms is not None
        return self.t0_mono_ms + sample / SAMPLES_PER_MS

    def place(self, samples: Int16Array, at_sample: int) -> int:
        """Place `samples` at `at_sample`, or at the first sample not yet sent; returns where they really start."""
        start = max(at_sample, self.sent_samples)
        self._placed.append((start, samples))
        return start

    def latest_push_ms(self, start: int, end: int) -> float:
        """How late the latest push was of the frames that hold [start, end)."""
        return max(self.lateness_ms[start // FRAME_SAMPLES : -(-end // FRAME_SAMPLES)], default=0.0)

    def published(self, start: int) -> Int16Array:
        """Everything from sample `start` on."""
        frames = self.frames[start // FRAME_SAMPLES :]
        whole = np.concatenate(frames) if frames else np.zeros(0, np.int16)
        return whole[start % FRAME_SAMPLES :]

    def _frame(self) -> Int16Array:
        start = self.sent_samples
        frame = np.zeros(FRAME_SAMPLES, np.int32)
        for at, samples in self._placed:
            first, last = max(start, at), min(start + FRAME_SAMPLES, at + len(samples))
            if first < last:
                frame[first - start : last - start] += samples[first - at : last - at]
        self._placed = [(at, samples) for at, samples in self._placed if at + len(samples) > start + FRAME_SAMPLES]
        return np.clip(frame, -32768, 32767).astype(np.int16)

    def _skip_until(self, sample: int, late_ms: float) -> None:
        """After a stall beyond the lead: what WebRTC should have taken by now is lost, the rest is on time again."""
        while self.sent_samples + FRAME_SAMPLES < sample:
            self.frames.append(np.zeros(FRAME_SAMPLES, np.int16))
            self.lateness_ms.append(late_ms)
            self.sent_samples += FRAME_SAMPLES

    async def run(self, source: rtc.AudioSource) -> None:
        """The one task that feeds `source`."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()  # LEAD_MS of frames are pushed at once; the queue takes its first sample from them now
        self.t0_mono_ms = mono_ms()
        while True:
            due_s = start_s + self.sent_samples / RATE_HZ - LEAD_MS / 1e3
            await asyncio.sleep(max(0.0, due_s - loop.time()))  # paced by an absolute deadline
            self._skip_until(round((loop.time() - start_s) * RATE_HZ), 1e3 * (loop.time() - due_s))
            first, frame = self.sent_samples, self._frame()
            self.sent_samples += FRAME_SAMPLES
            self.frames.append(frame)
            self.lateness_ms.append(1e3 * (loop.time() - due_s))
            await source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))
            if self.on_frame is not None:
                self.on_frame(first)
