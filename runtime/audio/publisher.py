"""The agent's voice on the wire: 20 ms frames on absolute deadlines, silence between replies, flushed at barge-in.

LiveKit's native queue is kept LEAD_S ahead: it bridges an event-loop stall below LEAD_S, and a voice that falls behind real
time by less than LEAD_S − DRY_LEAD_S. The queue is cleared at the start of a reply and at a cancel: the reply does not wait
behind queued silence, and silence follows a cancel at once. A held reply falls silent as at a cancel, but keeps its flushed
samples and resumes where it stopped. The pre-RTC tap gets everything published, less what was flushed; a flush is known to
± one native tick (10 ms), so the tap is exact within a reply and its timeline nominal between replies. Silence that an
engine puts ahead of a reply's first sound is not published: the user would wait for it. All audio is 48 kHz mono int16.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from livekit import rtc

from runtime.audio.pre_rtc import PreRtcTap
from runtime.engines.protocols import Int16Array

RATE_HZ = 48_000
FRAME_SAMPLES = 960
FRAME_S = FRAME_SAMPLES / RATE_HZ
LEAD_S = 0.060
DRY_LEAD_S = 0.020  # a dry reply sends silence only when no more time is left
QUEUE_MS = 200
TICK_SAMPLES = 480
SILENT_PEAK = 33  # −60 dBFS: nobody hears it
KEPT_SILENCE_SAMPLES = 240  # 5 ms: a sound's very beginning is below SILENT_PEAK
RESUME_FADE_SAMPLES = 240  # 5 ms: a reply resumed within a vowel must not click

AudioFilter = Callable[[Int16Array], Int16Array]


def _unchanged(samples: Int16Array) -> Int16Array:
    return samples


@dataclass
class Publisher:
    """`begin`, `write` while the TTS speaks, `end`; then `played` resolves when the last frame is out. `cancel`
    at any time.
    """

    source: rtc.AudioSource
    tap: PreRtcTap
    filter_pre: AudioFilter = _unchanged
    filter_post: AudioFilter = _unchanged
    underruns: int = 0
    starved_s: float = 0.0  # how long this reply's native queue was empty because the loop came late
    on_first_publish: Callable[[], None] | None = None
    on_sent: Callable[[Int16Array, float], None] | None = None  # a frame and its playback time (loop time, s)
    _recent: Int16Array = field(default_factory=lambda: np.empty(0, np.int16))  # this reply's, perhaps still queued
    _held: bool = False
    _buffer: Int16Array = field(default_factory=lambda: np.empty(0, np.int16))
    _replying: bool = False
    _ended: bool = False
    _first_sent: bool = False
    _sounded: bool = False
    _played: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _horizon_s: float = 0.0  # when the queue will have been played

    def begin(self, on_first_publish: Callable[[], None]) -> None:
        self._buffer = np.empty(0, np.int16)
        self._recent, self._held = np.empty(0, np.int16), False
        self._replying, self._ended, self._first_sent, self._sounded = True, False, False, False
        self.underruns = 0
        self.starved_s = 0.0
        self.on_first_publish = on_first_publish
        self._played.clear()

    def write(self, samples: Int16Array) -> None:
        if self._replying:
            self._buffer = np.concatenate([self._buffer, samples])
            if not self._sounded:
                self._drop_leading_silence()
            self._wake.set()

    def _drop_leading_silence(self) -> None:
        loud = np.flatnonzero(np.abs(self._buffer.astype(np.int32)) > SILENT_PEAK)
        self._sounded = len(loud) > 0
        first = int(loud[0]) if self._sounded else len(self._buffer)
        self._buffer = self._buffer[max(0, first - KEPT_SILENCE_SAMPLES) :]

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def played(self) -> None:
        await self._played.wait()

    def cancel(self) -> None:
        """Silence now: buffered and queued sound is dropped."""
        self._buffer, self._held = np.empty(0, np.int16), False
        if self._replying:
            self._replying = False
            self._flush()
        self._played.set()
        self._wake.set()

    def hold(self) -> bool:
        """Silence now; unplayed sound is kept. False if no reply is audible."""
        if not self._replying or not self._first_sent or self._held:
            return False
        self._held = True
        flushed = self._flush(ends_reply=False)
        self._buffer = np.concatenate(
            [self._recent[len(self._recent) - min(flushed, len(self._recent)) :], self._buffer]
        )
        self._recent = np.empty(0, np.int16)
        self._wake.set()
        return True

    def resume(self) -> None:
        """Resume where the reply was held."""
        if not self._held:
            return
        self._held = False
        count = min(RESUME_FADE_SAMPLES, len(self._buffer))
        faded = self._buffer[:count] * np.linspace(0.0, 1.0, count, endpoint=False)
        self._buffer = np.concatenate([faded.astype(np.int16), self._buffer[count:]])
        self._flush(ends_reply=False)  # of silence
        self._wake.set()

    def _flush(self, *, ends_reply: bool = True) -> int:
        """Take back queued samples, in whole native ticks; return their number."""
        now_s = asyncio.get_running_loop().time()
        queued = int(max(0.0, self._horizon_s - now_s) * RATE_HZ // TICK_SAMPLES) * TICK_SAMPLES
        self.source.clear_queue()
        self.tap.forget(queued, ends_reply=ends_reply)
        self._horizon_s = now_s
        return queued

    async def run(self) -> None:
        """Feed the source until cancelled; no other task does."""
        loop = asyncio.get_running_loop()
        self._horizon_s = loop.time()
        while True:
            if self._replying and not self._first_sent and self._has_frame():
                self._flush()
            while self._horizon_s - loop.time() < self._lead_s():
                await self._push_frame(loop.time())
            self._wake.clear()
            due_s = self._horizon_s - self._lead_s()
            flowing = self._replying and self._first_sent and not self._held and not self._dry()
            if not flowing:  # awaited sound does not wait for the deadline
                try:
                    async with asyncio.timeout_at(due_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue
            else:
                await asyncio.sleep(max(0.0, due_s - loop.time()))  # an absolute deadline

    def _lead_s(self) -> float:
        return DRY_LEAD_S if self._dry() else LEAD_S

    def _dry(self) -> bool:
        """Whether a reply under way has no frame ready: the queue may bridge the gap."""
        return self._replying and self._first_sent and not self._held and not self._ended and not self._has_frame()

    def _has_frame(self) -> bool:
        if not self._sounded or self._held:
            return False
        return len(self._buffer) >= FRAME_SAMPLES or (self._ended and len(self._buffer) > 0)

    async def _push_frame(self, now_s: float) -> None:
        frame = np.zeros(FRAME_SAMPLES, np.int16)
        if self._replying and self._has_frame():
            take = self._buffer[:FRAME_SAMPLES]
            self._buffer = self._buffer[FRAME_SAMPLES:]
            frame[: len(take)] = take
            self._recent = np.concatenate([self._recent, frame])[-int(LEAD_S * RATE_HZ) - FRAME_SAMPLES :]
            if not self._first_sent:
                self._first_sent = True
                self.tap.mark_start()
                if self.on_first_publish is not None:
                    self.on_first_publish()
        elif self._replying and self._ended and not self._held:
            self._finish()
        elif self._replying and self._first_sent and not self._held:
            self.underruns += 1
        if self._replying and self._first_sent and not self._held:
            self.starved_s += max(0.0, now_s - self._horizon_s)
        frame = self.filter_pre(frame)
        self.tap.add(frame)
        sent = self.filter_post(frame)
        if self.on_sent is not None:
            self.on_sent(sent, max(self._horizon_s, now_s))
        self._horizon_s = max(self._horizon_s, now_s) + FRAME_S
        await self.source.capture_frame(rtc.AudioFrame(sent.tobytes(), RATE_HZ, 1, FRAME_SAMPLES))

    def _finish(self) -> None:
        """The last frame is queued; it is out when the queue has played up to now's horizon."""
        self._replying = False
        self.tap.mark_end()
        loop = asyncio.get_running_loop()
        loop.call_at(self._horizon_s, self._played.set)
